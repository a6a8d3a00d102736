'use strict'

// A protected resource and its metadata (RFC 9728). Every language has the same
// definition; the cases are in client/testdata/httpauth/resources.json.

const { validScope } = require('./requirements.js')

const METADATA_PATH = '/.well-known/oauth-protected-resource'
const MAX_SERVERS = 8
const MAX_SCOPES = 64
const MAX_RESOURCE_NAME = 128

// An address: its origin and its path. Other parts are not allowed, because the
// languages differ in how they read them.
const ADDRESS = /^(https?:\/\/(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)((?:\/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?)$/

const OPTIONS = ['resource', 'authorizationServers', 'scopes', 'name']

class Resource {
  #document

  // Throws for metadata that is not valid; the message says what would be
  // valid.
  constructor(options = {}) {
    for (const name of Object.keys(options)) {
      if (!OPTIONS.includes(name)) throw new TypeError(`neonauthd: a resource has no "${name}"`)
    }
    const { resource, authorizationServers, scopes = [], name = '' } = options
    const [, origin, path] = addressIn('resource', resource)
    if (!Array.isArray(authorizationServers) || authorizationServers.length === 0 || authorizationServers.length > MAX_SERVERS) {
      throw new TypeError(`neonauthd: authorizationServers are 1 to ${MAX_SERVERS} issuers, the addresses of who gives out the tokens`)
    }
    for (const server of authorizationServers) addressIn('an authorization server', server)
    if (!Array.isArray(scopes) || scopes.length > MAX_SCOPES || !scopes.every(validScope)) {
      throw new TypeError(`neonauthd: scopes are at most ${MAX_SCOPES} words`)
    }
    if (!validName(name)) throw new TypeError(`neonauthd: name has at most ${MAX_RESOURCE_NAME} characters, on one line`)
    this.metadataPath = METADATA_PATH + path.replace(/\/$/, '')
    this.metadataUrl = origin + this.metadataPath
    this.#document = `${JSON.stringify({
      resource,
      authorization_servers: authorizationServers,
      scopes_supported: scopes.length > 0 ? scopes : undefined,
      bearer_methods_supported: ['header'],
      resource_name: name || undefined,
    })}\n`
    Object.freeze(this)
  }

  // describes tells whether the metadata is served at this path: metadataPath
  // or METADATA_PATH, with or without a slash at the end. The path is escaped
  // as in the request; a query after it does not count.
  describes(target) {
    const path = target.split('?', 1)[0].replace(/\/$/, '')
    return path === METADATA_PATH || path === this.metadataPath
  }

  // response returns the response to a request for the metadata, which is
  // public. Clients in browsers send headers of their own, so it responds to
  // their preflight too.
  response(method) {
    const open = { 'Access-Control-Allow-Origin': '*' }
    if (method === 'OPTIONS') {
      return { status: 204, headers: { ...open, 'Access-Control-Allow-Methods': 'GET, HEAD', 'Access-Control-Allow-Headers': '*' }, body: '' }
    }
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, headers: { ...open, Allow: 'GET, HEAD, OPTIONS' }, body: '' }
    const headers = { ...open, 'Content-Type': 'application/json', 'Cache-Control': 'public, max-age=300' }
    return { status: 200, headers, body: method === 'GET' ? this.#document : '' }
  }
}

function addressIn(what, text) {
  const parts = ADDRESS.exec(typeof text === 'string' ? text : '')
  if (parts === null) {
    throw new TypeError(`neonauthd: ${what} must be an address such as https://mcp.example.com/mcp, in ASCII, without a query or a fragment`)
  }
  return parts
}

const validName = (name) => typeof name === 'string' && name.isWellFormed() && [...name].length <= MAX_RESOURCE_NAME && !/[\0-\x1f\x7f-\x9f\u2028\u2029]/.test(name)

module.exports = { METADATA_PATH, Resource }
