// Puts the result of a call into the words of the transcripts.
export function facts({ value, error }) {
  if (error !== undefined) return { outcome: 'failed', cause: error.kind, code: error.code ?? '', 'retry-after': `${(error.retryAfter ?? 0) / 1000}` }
  switch (value?.outcome) {
    case 'accepted':
      return {
        outcome: 'accepted', level: value.level, project: value.project, subject: value.subject, principal: value.principal, age: `${value.age / 1000}`,
        ttl: `${value.ttl / 1000}`, expires: `${value.expires.getTime() / 1000}`, source: value.source, heard: `${value.heard / 1000}`, json: value.json,
      }
    case 'rejected':
      return { outcome: 'rejected', reason: value.reason }
    case 'unknown':
      return { outcome: 'unknown', code: value.code, cause: value.error.kind, 'retry-after': `${value.retryAfter / 1000}`, project: value.error.project ?? '' }
    case undefined:
      return value === undefined
        ? { outcome: 'ok' }
        : { outcome: 'ok', version: value.version, protocol: `${value.protocol}`, 'in-flight': `${value.inFlight}`, projects: value.projects.join(',') }
    default:
      throw new Error('no such outcome')
  }
}
