-- Asks neonauth-http about a request (HAProxy 2.6 or later with Lua).
--
--     http-request lua.neonauth "level=claims"
--
-- sets txn.neonauth_status to 204 (a verified user; the X-Auth-* headers are set), 400, 401, 403, 500 or 503. The configuration
-- must let nothing but 204 through: a script that fails sets nothing at all.

local socket = "unix@/run/neonauth-http/http.sock"
-- Milliseconds for one attempt. HAProxy makes up to four attempts, which is 10 seconds; neonauth-http takes 5 at most. In the
-- daemon a second attempt joins the lookup of the first one, so a slow profile is not fetched twice.
local timeout = 2500

local identity = {
    "x-auth-user-id", "x-auth-email", "x-auth-email-verified", "x-auth-name", "x-auth-team-id", "x-auth-session-id",
    "x-auth-level", "x-auth-age", "x-auth-claims",
}

-- The headers that may have a token. If your configuration of neonauth-http or token-from in a question names another one, add
-- it here.
local carriers = { "authorization", "cookie", "x-stack-access-token", "x-hexclave-access-token", "x-stack-auth" }

local function first(headers, name)
    local values = headers and headers[name]
    if values == nil then return "" end
    return values[0] or values[1] or ""
end

core.register_action("neonauth", { "http-req" }, function(txn, query)
    local sent, headers = txn.http:req_get_headers(), {}
    for _, name in ipairs(carriers) do
        if sent[name] then
            local values = {}
            for _, value in pairs(sent[name]) do values[#values + 1] = value end
            headers[name] = values
        end
    end
    -- For the address of the login page only: neonauth-http returns it encoded.
    headers["x-neonauth-uri"] = { txn.sf:pathq() }
    -- Only for sharing limited resources among visitors.
    headers["x-neonauth-visitor"] = { txn.sf:src() }
    local answer = core.httpclient():get{
        url = "http://neonauth/haproxy?" .. query, dst = socket, timeout = timeout, headers = headers,
    }
    local status = answer and answer.status or 0
    -- A team's API key has a team and no user (allow=team).
    if status == 204 and first(answer.headers, "x-auth-user-id") .. first(answer.headers, "x-auth-team-id") ~= "" then
        for _, name in ipairs(identity) do txn.http:req_set_header(name, first(answer.headers, name)) end
    elseif status == 400 or status == 401 or status == 403 or status == 500 then
        txn:set_var("txn.neonauth_challenge", first(answer.headers, "www-authenticate"))
        txn:set_var("txn.neonauth_return", first(answer.headers, "x-neonauth-return"))
    else
        status = 503
        txn:set_var("txn.neonauth_retry", first(answer and answer.headers, "retry-after"))
    end
    txn:set_var("txn.neonauth_status", status)
end, 1)
