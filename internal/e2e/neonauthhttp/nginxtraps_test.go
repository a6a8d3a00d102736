package neonauthhttp_test

// trap is a change of the recipe, and the finding for it.
type trap struct{ name, old, changed, want string }

const (
	stricter = `location ~* "^/account([^a-z0-9_-]|$)" {`
	openOne  = "    location = /login {\n        auth_request off;\n        proxy_pass http://app/login;"
)

// headerTraps are about the headers that reach the application.
func headerTraps() []trap {
	return []trap{
		{"identity header left out", "proxy_set_header X-Auth-Team-Id        $auth_team_id;\n", "", "a visitor's own arrive: X-Auth-Team-Id"},
		{"headers of its own", "include neonauth/neonauth-websocket.conf;", "proxy_set_header X-Mine 1;", "not set here, so a visitor's own arrive: X-Auth-User-Id"},
		{"what the visitor sent", "proxy_set_header X-Auth-User-Id        $auth_user_id;", "proxy_set_header X-Auth-User-Id $http_x_auth_user_id;", "which is what the visitor sent"},
		{"taken from elsewhere", "$upstream_http_x_auth_email;", "$upstream_http_x_email;", "no auth_request_set that holds here"},
		{"overridden", "        proxy_read_timeout 1h;", "auth_request_set $x $upstream_http_x;", "no auth_request_set that holds here"},
		{"underscores", "underscores_in_headers off;", "underscores_in_headers on;", "underscores_in_headers on"},
		{"odd names", "underscores_in_headers off;", "ignore_invalid_headers off;", "ignore_invalid_headers off"},
		{"any protocol", `proxy_set_header Upgrade        "";`, "proxy_set_header Upgrade $http_upgrade;", "Upgrade $http_upgrade can be more than"},
		{"any protocol where WebSockets are served", "proxy_set_header Upgrade    $neonauth_upgrade;", "proxy_set_header Upgrade $http_upgrade;", "Upgrade $http_upgrade can be more than"},
		{"any protocol by a map", "default             \"\";", "default $http_upgrade;", "Upgrade $neonauth_upgrade can be more than"},
		{"another protocol by a map", "default             \"\";", "default h2c;", "Upgrade $neonauth_upgrade can be more than"},
		{"a variable of elsewhere", "proxy_set_header Upgrade    $neonauth_upgrade;", "set $x websocket; proxy_set_header Upgrade $x;", "Upgrade $x can be more than"},
		{"WebSocket everywhere", "include neonauth/neonauth-identity.conf;\n\n    location", "include neonauth/neonauth-websocket.conf;\n\n    location", "neonauth-websocket.conf:6: Upgrade is passed on in every location"},
		{"HTTP2-Settings", "proxy_set_header HTTP2-Settings \"\";\n", "", "HTTP2-Settings of a visitor"},
		{"the visitor's Connection", `proxy_set_header Connection     "";`, "proxy_set_header Connection $http_connection;", "vanish on their way"},
		{"identity header twice", "proxy_set_header X-Auth-User-Id        $auth_user_id;", "proxy_set_header X-Auth-User-Id $auth_user_id; proxy_set_header X-Auth-User-Id $http_x_user;", "X-Auth-User-Id is set from $http_x_user"},
		{"another path by header", "proxy_set_header X-Original-URL \"\";\n", "", "X-Original-URL of a visitor are passed on"},
	}
}

// questionTraps are about the location that asks neonauth-http.
func questionTraps() []trap {
	return []trap{
		{"cache without another header", "proxy_cache off;", "proxy_cache z; proxy_cache_key $uri$http_authorization$http_cookie$http_x_stack_access_token;", "$http_x_stack_auth is not in proxy_cache_key"},
		{"places misspelt", "&require=clean-headers;", "&require=clean-headers&token-from=api;", "neonauth-http will answer 500"},
		{"error page in the question", "    include neonauth/neonauth-ask.conf;\n    proxy_pass", "include neonauth/neonauth-ask.conf; error_page 401 = /ok;\n proxy_pass", "it can make a yes of a no"},
		{"question not internal", "    internal;\n    include", "    include", "is not internal"},
		{"question by prefix", "location = /_neonauth {", "location /_neonauth {", `is no "location ="`},
		{"question missing", "location = /_neonauth {", "location = /_neonauth2 {", "no location of this server is exactly that"},
		{"question with a body", "proxy_pass_request_body off;", "", "proxy_pass_request_body is not off"},
		{"question with a length", `proxy_set_header Content-Length "";`, "", "Content-Length is not cleared"},
		{"visitors not told apart", "proxy_set_header X-Neonauth-Visitor $remote_addr;", "", "one can use up what all have"},
		{"visitors who say who they are", "proxy_set_header X-Neonauth-Visitor $remote_addr;", "proxy_set_header X-Neonauth-Visitor $http_x_real_ip;", "who can be somebody else each time"},
		{"no room", "proxy_buffer_size 8k;", "proxy_buffer_size 2k;", "proxy_buffer_size below 4k"},
		{"cache without the visitor", "proxy_cache off;", "proxy_cache z; proxy_cache_key $uri$http_authorization$http_cookie;", "$http_x_stack_access_token is not in proxy_cache_key"},
		{"cache with the default key", "proxy_cache off;", "proxy_cache z;", "$http_authorization is not in proxy_cache_key"},
		{"pages cached for all", "    location / {\n", "    location / {\n proxy_cache z;\n", "a page made for one visitor"},
		{"requirement misspelt", "require=email-verified&", "require=email_verified&", "neonauth-http will answer 500"},
		{"requirement of the visitor", "?level=claims&require=clean-headers;", "?level=$arg_level;", "a visitor may decide"},
		{"no such dialect", "neonauth/nginx?level=claims&require=clean-headers;", "neonauth/auth?level=claims;", "at /nginx and nowhere else"},
		{"headers beside ours", "&require=clean-headers;", ";", "add require=clean-headers"},
		{"no end to waiting", "proxy_read_timeout 10s;", "", "waits a minute or more"},
		{"a long wait", "proxy_read_timeout 10s;", "proxy_read_timeout 60s;", "waits a minute or more"},
		{"answers kept too long", "proxy_cache off;", "include neonauth/neonauth-cache.conf; proxy_cache_valid 200 204 1h;", "proxy_cache_valid in the location that asks"},
		{"answers kept after their end", "proxy_cache off;", "include neonauth/neonauth-cache.conf; proxy_cache_use_stale error timeout;", "proxy_cache_use_stale in the location that asks"},
		{"the end of an answer not heard", "proxy_cache off;", "include neonauth/neonauth-cache.conf; proxy_ignore_headers Cache-Control Expires;", "proxy_ignore_headers Expires"},
		{"places of the token not heard", "proxy_cache off;", "include neonauth/neonauth-cache.conf; proxy_ignore_headers Cache-Control Vary;", "proxy_ignore_headers Vary"},
		{"a cache that may keep nothing", "proxy_cache off;", "include neonauth/neonauth-cache.conf;", "so none may be kept"},
		{"questions that wait for each other", "proxy_cache off;\n", "include neonauth/neonauth-cache.conf; proxy_cache_lock on;\n", "proxy_cache_lock in the location that asks"},
		{"one key for two questions", "proxy_cache off;", "include neonauth/neonauth-cache.conf;", "kept under one key"},
	}
}

// gateTraps are about requests that nginx does not ask about.
func gateTraps() []trap {
	return []trap{
		{"in an open location too", openOne, openOne + "\n proxy_set_header X-Mine 1;", "site.conf:27: not set here"},
		{"refusal made a success", "error_page 401 = @neonauth_login;", "error_page 401 =200 /login.html;", "error_page =200"},
		{"failure made a success", "error_page 500 = @neonauth_unknown;", "error_page 500 503 =204 @x;", "error_page =204"},
		{"any of them", "underscores_in_headers off;", "satisfy any;", "satisfy any"},
		{"gate at a location", "auth_request /_neonauth;\n", "", "auth_request in a location only"},
		{"the document of a resource from elsewhere", "    proxy_read_timeout 10s;\n    proxy_pass http://neonauth;", "    proxy_pass http://app;", "an open location that is not exact"},
		{"the document of a resource and more", "location ^~ /.well-known/oauth-protected-resource {", "location ^~ /.well-known/ {", "an open location that is not exact"},
		{"a question of the visitor's", "    proxy_read_timeout 10s;\n    proxy_pass http://neonauth;", "    proxy_pass http://neonauth/nginx;", "an open location that is not exact"},
		{"wide open location", "location = /login {", "location /login {", "an open location that is not exact"},
		{"open location with the visitor's spelling", "proxy_pass http://app/login;", "proxy_pass http://app;", "passes the visitor's own spelling on"},
		{"answer before the gate", "    location / {\n", "    location = /x {\n return 200 hello;\n }\n location / {\n", "return answers before"},
		{"second server", "server {\n    listen 8080;", "server {\n listen 8081;\n location / { proxy_pass http://app; }\n}\nserver {\n    listen 8080;", "hands requests to 127.0.0.1:3000 without asking"},
		{"second server by address", "server {\n    listen 8080;", "server {\n listen 8081;\n location /x/ { proxy_pass http://localhost:3000/y; }\n}\nserver {\n    listen 8080;", "hands requests to 127.0.0.1:3000 without asking"},
		{"second server that says it", "server {\n    listen 8080;", "server {\n auth_request off;\n proxy_pass http://127.0.0.1:3000;\n}\nserver {\n    listen 8080;", "hands requests to 127.0.0.1:3000 without asking"},
		{"second server of streams", "server {\n    listen 8080;", "stream {\n server {\n listen 1;\n proxy_pass 127.0.0.1:3000;\n }\n}\nserver {\n    listen 8080;", "hands requests to 127.0.0.1:3000 without asking"},
		{"another application", "server {\n    listen 8080;", "server {\n listen 8081;\n location / { proxy_pass http://127.0.0.1:4000; }\n}\nserver {\n    listen 8080;", "no auth_request in this server"},
		{"neonauth-http for visitors", "server {\n    listen 8080;", "server {\n listen 8081;\n location / { proxy_pass http://neonauth; }\n}\nserver {\n    listen 8080;", "hands visitors to neonauth-http itself"},
		{"refused requests for the application", "error_page 401 = @neonauth_login;", "error_page 401 = @preflight;", "hands what was refused, or was not judged yet"},
		{"unjudged requests for the application", "error_page 418 = @preflight;", "error_page 418 = @preflight; error_page 404 413 = @preflight;", "hands what was refused, or was not judged yet"},
		{"a page with its own status", "error_page 401 = @neonauth_login;", "error_page 401 = @page; location @page { auth_request off; root /srv; }", "has the status of this location"},
		{"a page that says yes", "error_page 403 = @neonauth_denied;", "error_page 403 = @page; location @page { auth_request off; return 200 no; }", "has the status of this location"},
		{"a page of the visitor's choice", "error_page 403 = @neonauth_denied;", "error_page 403 $arg_page;", "which a visitor may choose"},
		{"opened by error page", "        if ($neonauth_preflight) {\n            return 418;\n        }", "        return 418;", "not for preflights of CORS alone"},
		{"opened by method", "if ($neonauth_preflight) {", "if ($request_method = OPTIONS) {", "not for preflights of CORS alone"},
		{"opened by header", "if ($neonauth_preflight) {", "if ($http_user_agent) {", "not for preflights of CORS alone"},
		{"opened by who knows what", "if ($neonauth_preflight) {", "if ($geoip_country) {", "not for preflights of CORS alone"},
		{"opened below a location", "        proxy_pass http://app;\n    }\n    error_page 418", "        location /api/open/ { auth_request off; proxy_pass http://app; }\n        proxy_pass http://app;\n    }\n    error_page 418", "an open location that is not exact"},
		{"the same folder", "server {\n    listen 8080;", "server {\n listen 81;\n root /srv/site;\n}\nserver {\n    listen 8080;\n    location /files/ {\n root /srv/site/;\n }", "hands requests to the folder /srv/site without asking"},
		{"gateway interface", "    location / {\n", "    location /php/ {\n fastcgi_pass 127.0.0.1:9000;\n }\n location / {\n", "X-Auth-User-Id, X-Auth-Email"},
	}
}

// spellingTraps are about the requirements for a path.
func spellingTraps() []trap {
	return []trap{
		{"stricter by beginning", stricter, "location /account/ {", "is evaded by another spelling"},
		{"stricter by beginning, case", stricter, "location /account/ {", "/Account /ACCOUNT"},
		{"stricter by beginning, first of all", stricter, "location ^~ /account/ {", "/Account /ACCOUNT"},
		{"stricter without an end", stricter, "location /account {", "/Account"},
		{"stricter exactly", stricter, "location = /account {", "/Account"},
		{"stricter with case", stricter, `location ~ "^/account([^a-z0-9_-]|$)" {`, "/Account"},
		{"stricter with a slash", stricter, `location ~* ^/account/ {`, "/account "},
		{"two readings", "if ($neonauth_ambiguous) {", "if ($nothing) {", "/account;"},
		{"two readings, not refused", "if ($neonauth_ambiguous) {\n    return 400;", "if ($neonauth_ambiguous) {\n    set $x 1;", "/account;"},
		{"parameters of a path", `|;|#|\x5c|`, `|#|\x5c|`, "/;/account"},
		{"backslashes", `|;|#|\x5c|`, `|;|#|`, `/x\..`},
		{"encoded twice", `|25([0-9a-f]|%(3[0-9]|[46][1-6])){2})`, `)`, "/%2561ccount"},
		{"encoded twice, the digits too", `25([0-9a-f]|%(3[0-9]|[46][1-6])){2}`, `25[0-9a-f][0-9a-f]`, "/%25%36%31ccount"},
		{"overlong", `|c[01]|e0%[89]|f0%8|`, `|`, "/%c1%a1ccount"},
		{"an expression before it", "    " + stricter, "    location ~ \\.php$ {\n        proxy_pass http://app;\n    }\n    " + stricter, "/account/x.php"},
		{"weaker by beginning", "if ($neonauth_ambiguous) {", "if ($nothing) {", "an application may read /account/..;/x"},
	}
}
