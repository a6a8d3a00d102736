package neonauthhttp_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// chromium is a headless browser that is controlled over its debugging pipe:
// JSON messages that end with a zero byte.
type chromium struct {
	t    testing.TB
	to   io.Writer
	from *bufio.Reader
	id   int
	tab  string // session of the only tab
}

func startChromium(t testing.TB, dir string) *chromium {
	t.Helper()
	path := installed(t, "chromium")
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--remote-debugging-pipe", "--user-data-dir="+dir+"/chromium", "--window-size=800,500", "about:blank")
	cmd.Env = append(e2e.Environment(), "HOME="+dir)
	cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		ourOut.Close()
		ourIn.Close()
	})
	c := &chromium{t: t, to: ourOut, from: bufio.NewReaderSize(ourIn, 1<<20)}
	target := c.call("Target.createTarget", map[string]any{"url": "about:blank"})["targetId"]
	c.tab = c.call("Target.attachToTarget", map[string]any{"targetId": target, "flatten": true})["sessionId"].(string)
	return c
}

// call runs one command and returns its result; events are skipped.
func (c *chromium) call(method string, params map[string]any) map[string]any {
	c.t.Helper()
	c.id++
	message := map[string]any{"id": c.id, "method": method, "params": params}
	if c.tab != "" {
		message["sessionId"] = c.tab
	}
	text, err := json.Marshal(message)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.to.Write(append(text, 0)); err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	for {
		text, err := c.from.ReadBytes(0)
		if err != nil {
			c.t.Fatalf("%s: %v", method, err)
		}
		var reply struct {
			ID     int
			Result map[string]any
			Error  json.RawMessage
		}
		if err := json.Unmarshal(text[:len(text)-1], &reply); err != nil {
			c.t.Fatalf("%s: %v", method, err)
		}
		if reply.ID == c.id {
			if reply.Error != nil {
				c.t.Fatalf("%s: %s", method, reply.Error)
			}
			return reply.Result
		}
	}
}

// js evaluates an expression in the page; the result is a string.
func (c *chromium) js(expression string) string {
	c.t.Helper()
	result := c.call("Runtime.evaluate", map[string]any{"expression": "(async () => String(await (" + expression + ")))()", "returnByValue": true, "awaitPromise": true})
	value, _ := result["result"].(map[string]any)["value"].(string)
	return value
}

func (c *chromium) open(url string) {
	c.t.Helper()
	c.call("Page.navigate", map[string]any{"url": url})
}

// await waits until the page is loaded and its text holds all of the words.
func (c *chromium) await(words ...string) string {
	c.t.Helper()
	deadline := time.Now().Add(e2e.Timeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		text := c.js(`document.readyState === "complete" ? location.pathname + location.search + "\n" + document.title + "\n" + document.body.innerText : ""`)
		missing := ""
		for _, w := range words {
			if !strings.Contains(text, w) {
				missing = w
			}
		}
		if missing == "" {
			return text
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the page has no %q: %s", missing, text)
		}
	}
}

// shot writes a picture of the page.
func (c *chromium) shot(path string) {
	c.t.Helper()
	data, err := base64.StdEncoding.DecodeString(fmt.Sprint(c.call("Page.captureScreenshot", map[string]any{"format": "png"})["data"]))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		c.t.Fatal(err)
	}
}
