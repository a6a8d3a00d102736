// What a page finds in a browser: the user of the SDK, and a fetch that goes by the rules of CORS
// (https://fetch.spec.whatwg.org/#http-cors-protocol). PAGE is where the page comes from, TOKEN what the user's SDK has.
const ask = globalThis.fetch
const page = new URL(process.env.PAGE)
const SIMPLE_METHODS = ['GET', 'HEAD', 'POST']
const SIMPLE_HEADERS = ['accept', 'accept-language', 'content-language', 'content-type', 'range']

globalThis.user = { getAuthJson: async () => ({ accessToken: process.env.TOKEN, refreshToken: 'secret' }) }

globalThis.fetch = async (address, { method = 'GET', headers = {}, ...rest } = {}) => {
  if (Object.keys(rest).length > 0) throw new Error(`browser.mjs does not know ${Object.keys(rest)}`)
  const url = new URL(address, page)
  if (url.origin === page.origin) return ask(url, { method, headers })
  const own = [...new Headers(headers).keys()].filter((name) => !SIMPLE_HEADERS.includes(name))
  if (own.length > 0 || !SIMPLE_METHODS.includes(method)) await preflight(url, method, own)
  return readable(await ask(url, { method, headers: { ...headers, Origin: page.origin } }))
}

async function preflight(url, method, own) {
  const asked = { Origin: page.origin, 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': own.join() }
  const response = readable(await ask(url, { method: 'OPTIONS', headers: asked }))
  const granted = (name) => (response.headers.get(name) ?? '').toLowerCase().split(/ *, */)
  const may = SIMPLE_METHODS.includes(method) || granted('access-control-allow-methods').includes(method.toLowerCase())
  if (!response.ok || !may || !own.every((name) => granted('access-control-allow-headers').includes(name))) failed()
}

// Without credentials "*" is as good as the origin.
function readable(response) {
  return ['*', page.origin].includes(response.headers.get('access-control-allow-origin')) ? response : failed()
}

function failed() {
  throw new TypeError('Failed to fetch')
}
