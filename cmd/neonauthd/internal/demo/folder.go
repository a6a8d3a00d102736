package demo

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// The files in a demo's folder besides the sockets, which the daemon removes.
const (
	markFile     = "demo.lock" // locked while the demo runs
	configFile   = "neonauthd.toml"
	keyFile      = "server-key"
	urlFile      = "upstream" // the upstream's address, for those who mint tokens
	validFile    = "valid.jwt"
	forgedFile   = "forged.jwt"
	secretFile   = "introspection-secret"
	opaqueFile   = "opaque.token" // of a session that logoutFile ends
	logoutFile   = "logout.jwt"
	apiKeyFile   = "api.key"
	resourceFile = "resource.jwt"
	leaverFile   = "bob.jwt"          // of the user whom deletedFile is about
	deletedFile  = "bob-deleted.json" // the request that makes the upstream deliver the event
	hooksFile    = "hooks.toml"
	signingFile  = "webhook-secret"
	stateDir     = "state"
)

// membersProject is the project that accepts an OAuth server's tokens.
const membersProject = "members"

// hooksAddress is the address on the demo's screen for the program that uses hooksFile.
const hooksAddress = "127.0.0.1:4182"

func written() []string {
	return []string{
		configFile, keyFile, urlFile, validFile, forgedFile, secretFile, opaqueFile, logoutFile, apiKeyFile, resourceFile,
		leaverFile, deletedFile, hooksFile, signingFile, stateDir,
	}
}

// folder is the folder of one demo.
type folder struct {
	path    string
	private bool // no path was given, so the whole folder is removed
	mark    *os.File
}

// openFolder makes the folder and locks it. If a path is given, the folder must have no
// file that the demo would overwrite and that no demo wrote.
func openFolder(path string) (*folder, error) {
	if path == "" {
		path, err := os.MkdirTemp(os.Getenv("XDG_RUNTIME_DIR"), "neonauthd-demo-")
		return &folder{path: path, private: true}, err
	}
	path, err := filepath.Abs(path)
	if err == nil {
		err = os.MkdirAll(path, 0o700)
	}
	if err != nil {
		return nil, err
	}
	mark := filepath.Join(path, markFile)
	if _, err := os.Lstat(mark); errors.Is(err, fs.ErrNotExist) {
		for _, name := range written() {
			if _, err := os.Lstat(filepath.Join(path, name)); err == nil {
				return nil, fmt.Errorf("the folder has a file %s that no demo wrote: name another with --dir", name)
			}
		}
	}
	file, err := os.OpenFile(mark, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	f := &folder{path: path, mark: file}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("another demo runs in this folder: use that one, or name another folder with --dir"), file.Close())
	}
	return f, f.clear() // removes the files of a demo that was killed
}

// close removes what the demo wrote.
func (f *folder) close() error {
	if f.private {
		return os.RemoveAll(f.path)
	}
	return errors.Join(f.clear(), f.mark.Close())
}

func (f *folder) clear() error {
	var err error
	for _, name := range written() {
		err = errors.Join(err, os.RemoveAll(f.file(name)))
	}
	return err
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

// config reads the daemon's configuration.
func (f *folder) config() (config.Config, error) { return config.Load(f.file(configFile)) }

// prepare writes all files. It ends with the file that tells others that the folder is
// ready.
func (f *folder) prepare(upstream *standin.Standin, allPresets bool) error {
	text := fmt.Sprintf("# Written by neonauthd demo.\nsocket = %q\nadmin_socket = %q\nstate_dir = %q\n\n",
		f.file("neonauthd.sock"), f.file("admin.sock"), f.file(stateDir))
	stack := strings.Replace(upstream.ConfigBlock(standin.Stack, "./"+keyFile), `name = "stack"`, `name = "main"`, 1)
	text += strings.TrimSuffix(stack, "\n") + "api_keys = [\"user\"]\n\n"
	text += members(upstream)
	if allPresets {
		text += upstream.ConfigBlock(standin.Neon, "") + upstream.ConfigBlock(standin.OIDC, "")
	}
	// The upstream of this project does not answer: port 9 (discard).
	text += "[[project]]\nname = \"down\"\npreset = \"neon\"\nbase_url = \"http://127.0.0.1:9/neondb/auth\"\n"
	return errors.Join(
		f.write(configFile, text),
		f.write(keyFile, upstream.ServerKey()),
		f.write(secretFile, upstream.ClientSecret()),
		f.writeHooks(upstream),
		f.writeTokens(upstream),
		f.write(urlFile, upstream.BaseURL()+"\n"),
	)
}

// members returns the project of an OAuth server's resource. It uses introspection and
// accepts logout tokens.
func members(upstream *standin.Standin) string {
	return fmt.Sprintf("[[project]]\nname = %q\npreset = \"neon\"\nbase_url = %q\nresources = [%q]\nlogout_client_ids = [%[4]q]\n"+
		"introspection = { client_id = %[4]q, secret = %[5]q }\n\n",
		membersProject, upstream.ServiceURL(standin.Neon), upstream.Resource(), upstream.Client(), "./"+secretFile)
}

// writeHooks writes the files with which neonauth-http accepts the upstream's webhooks,
// and a request that makes the upstream send one.
func (f *folder) writeHooks(upstream *standin.Standin) error {
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(upstream.ID("webhook secret")))
	delivery, err := json.Marshal(standin.Webhook{
		URL: "http://" + hooksAddress + "/hooks/main", Secret: secret, Event: "user.deleted", User: upstream.ID(leaver + domain),
	})
	return errors.Join(
		err,
		f.write(signingFile, secret),
		f.write(hooksFile, fmt.Sprintf("# Written by neonauthd demo.\n[[project]]\nname = \"main\"\nsecrets = [%q]\n", "./"+signingFile)),
		f.write(deletedFile, string(delivery)+"\n"),
	)
}

// writeTokens writes the files with tokens. The opaque token is of a new session each
// time, because somebody may have ended the last one.
func (f *folder) writeTokens(upstream *standin.Standin) error {
	subject := upstream.ID(defaultUser + domain)
	ending := standin.TokenSpec{Subject: subject, Lifetime: TokenLifetime, Resources: []string{upstream.Resource()}}
	if session, err := upstream.SignIn(subject); err == nil { // fails while the user is banned
		ending.Session = session.SessionID
	}
	return errors.Join(
		f.write(validFile, upstream.StackToken(standin.TokenSpec{Subject: subject})),
		f.write(forgedFile, upstream.StackToken(standin.TokenSpec{Subject: subject, Forged: true})),
		f.write(opaqueFile, upstream.OpaqueToken(standin.Neon, ending)),
		f.write(logoutFile, upstream.LogoutToken(standin.Neon, ending)),
		f.write(apiKeyFile, upstream.APIKey(standin.APIKeySpec{User: subject})),
		f.write(resourceFile, upstream.ResourceToken(standin.Neon, ending)),
		f.write(leaverFile, upstream.StackToken(standin.TokenSpec{Subject: upstream.ID(leaver + domain)})),
	)
}

// write replaces a file as a whole, because other programs may be reading it.
func (f *folder) write(name, text string) error {
	fresh, err := os.CreateTemp(f.path, "."+name+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = fresh.WriteString(text)
	err = errors.Join(err, fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), f.file(name))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(fresh.Name()))
	}
	return err
}
