package standin

// Usage explains the control interface to people: what `neonauthd standin` prints.
func Usage() string {
	return `The stand-in answers like Neon Auth. BASE is the address that it printed.

What it serves:
  Stack Auth      BASE/api/v1          users/me, key set, refresh, sign-in, sign-out
  Better Auth     BASE/neondb/auth     get-session, token, key set, sign-in/email, sign-out, oauth2/{register,authorize,token,introspect}
  OpenID Connect  BASE/oidc            discovery, jwks, userinfo, introspect

The control interface answers callers on this host only. Requests and replies are JSON.

Add a user, sign in, get tokens for all three:
  curl -d '{"email":"ada@example.org","name":"Ada","email_verified":true}' BASE/_standin/users
  curl -d '{"email":"ada@example.org"}' BASE/_standin/sign-in
  Members of a user: id, email, email_verified, name, image_url, password, anonymous, restricted,
  restricted_reason, banned, ban_reason, team {id, name}, signed_up_at, fields {profile members}.

Mint a token of your own, also a broken one:
  curl -d '{"preset":"stack","user":"ID","lifetime":"30s"}' BASE/_standin/tokens
  Members: preset, user, session, alg (oidc), lifetime ("-1m" has expired), set, remove, forged,
  class (stack: normal, restricted, anonymous); header (members of the header, such as {"typ":"dpop+jwt"}).
  Of neon and oidc also kind (session, resource, opaque, refresh, id, logout), for (the resource of a token for
  one), client, scope:
  curl -d '{"preset":"neon","user":"ID","session":"SESSION_ID","kind":"logout"}' BASE/_standin/tokens

Learn the OAuth client that introspects (neon, oidc), or add one, linked to resources or not:
  curl -X POST BASE/_standin/clients
  curl -d '{"client_id":"x","client_secret":"y","resources":["https://mcp.example.net/mcp"]}' BASE/_standin/clients
  Members: client_id, client_secret, resources, basic (registered for the header Authorization).

Make an API key (stack), and revoke it:
  curl -d '{"user":"ID"}' BASE/_standin/api-keys        Members: user or team, public, lifetime.
  curl -d '{"revoke":"sk_..."}' BASE/_standin/api-keys

Deliver a webhook (stack), signed as Svix signs it; the reply has the status of the answer:
  curl -d '{"url":"http://127.0.0.1:4182/hooks/main","secret":"whsec_...","user":"ID"}' BASE/_standin/webhooks
  Members: url, secret, user, team, event (user.updated without; user.created, user.deleted, team.updated,
  team_membership.created, team_permission.created, project_permission.created and so on, or one of your own).

End things. Access tokens that are out stay valid by their signature, as with the real services:
  curl -d '{"session":"SESSION_ID"}' BASE/_standin/revoke
  curl -X POST BASE/_standin/users/ID/delete      also: ban, unban, restrict, unrestrict

Have a logout token sent for each session that ends so from now on (neon), to neonauth-http for example; "" ends that:
  curl -d '{"address":"http://127.0.0.1:4182/logout/members"}' BASE/_standin/logouts

New signing keys; without overlap the former ones vanish at once:
  curl -d '{"preset":"stack","overlap":false}' BASE/_standin/rotate
  curl -d '{"withdraw":"KID"}' BASE/_standin/rotate

Break an endpoint, for a number of calls or until it is cleared:
  curl -d '{"endpoint":"me","kind":"status","status":429,"retry_after":"5","times":3}' BASE/_standin/faults
  curl -d '{"endpoint":"keys","kind":"delay","latency":"800ms"}' BASE/_standin/faults
  curl -X DELETE 'BASE/_standin/faults?endpoint=me'      all of them without endpoint
  Endpoints: any, keys, stack-keys, neon-keys, oidc-keys, me, api-keys, access, session, userinfo, discovery,
  base-discovery, introspection.
  Kinds: delay, hang, reset, status, known-error, wrapped, answer, redirect, garbage, truncate, drip,
  huge, gzip-bomb, endless-headers, empty-keys, odd-keys, other-user, pad-profile.
  Members: latency, status, code, retry_after, x_retry_after, location, header, body, size, interval,
  subject.

Watch, and configure the daemon:
  curl BASE/_standin/calls
  curl BASE/_standin/users
  curl 'BASE/_standin/config?preset=stack'        stack, neon or oidc; all three without preset
`
}
