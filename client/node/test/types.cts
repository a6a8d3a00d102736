// What types.mts is for programs that import, this is for those that require: one set of declarations is for both.
import neonauthd = require('neonauthd')
import { Client, match } from 'neonauthd'
import type { Answer } from 'neonauthd'
import httpauth = require('neonauthd/httpauth')
import { from, guard } from 'neonauthd/middleware'

const client: neonauthd.Client = new Client({ timeout: neonauthd.DEFAULT_TIMEOUT })

export async function status(token: string): Promise<number> {
  const answer: Answer = await client.verify(token)
  // @ts-expect-error only an accepted answer has a subject
  void answer.subject
  return match(answer, { accepted: () => 200, rejected: () => 401, unknown: (unknown) => httpauth.refusalOf(unknown)!.status })
}

export const account = guard({ client }).wrap((req, res) => res.end(from(req)?.user.id))
