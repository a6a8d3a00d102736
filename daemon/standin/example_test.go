package standin_test

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// A test signs a user in, breaks an endpoint for one call, and looks at what happens.
func Example() {
	upstream := standin.New(standin.Options{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	upstream.SetBaseURL("http://" + listener.Addr().String())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- upstream.Run(ctx, listener) }()

	user := upstream.AddUser(standin.User{Email: "ada@example.org"})
	session, err := upstream.SignIn(user.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: 429, RetryAfter: "5", Times: 1})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 2 {
		request, _ := http.NewRequest(http.MethodGet, upstream.ServiceURL(standin.Stack)+"/api/v1/users/me", nil)
		request.Header.Set("x-stack-access-type", "server")
		request.Header.Set("x-stack-project-id", upstream.ProjectID())
		request.Header.Set("x-stack-secret-server-key", upstream.ServerKey())
		request.Header.Set("x-stack-access-token", session.AccessToken)
		response, err := client.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		response.Body.Close()
		fmt.Printf("%d, retry after %q\n", response.StatusCode, response.Header.Get("Retry-After"))
	}
	fmt.Println(upstream.Calls(standin.Me), "calls")
	cancel()
	fmt.Println(<-ended)
	// Output:
	// 429, retry after "5"
	// 200, retry after ""
	// 2 calls
	// <nil>
}
