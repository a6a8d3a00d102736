package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/daemon"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/configcheck"
	"github.com/neonauthd/neonauthd/daemon/transport"
	"github.com/neonauthd/neonauthd/internal/program"
)

const defaultConfig = "/etc/neonauthd/neonauthd.toml"

// serveFlags are the flags of the daemon itself.
type serveFlags struct {
	config string
	socket string
	check  bool
}

// load reads the configuration file and applies the flags to it.
func (f *serveFlags) load() (config.Config, error) {
	read := config.Load
	if f.check {
		read = config.LoadToCheck
	}
	cfg, err := read(f.config)
	if err == nil && f.socket != "" {
		cfg.Socket = f.socket
		err = cfg.Validate()
	}
	return cfg, err
}

func (f *serveFlags) run(cmd *cobra.Command) error {
	cfg, err := f.load()
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w; name another with --config, or run \"neonauthd demo\" to try it without one", err)
		}
		return program.ConfigError{Err: err}
	}
	environment, err := transport.Environment()
	if err != nil {
		return program.ConfigError{Err: err}
	}
	if f.check {
		return checkConfig(cmd.Context(), cmd.OutOrStdout(), cfg, environment)
	}
	level := new(slog.LevelVar)
	opts := daemon.Options{
		Version:    release,
		Logger:     program.NewLogger(cmd.ErrOrStderr(), level, cfg.LogFormat == config.LogJSON),
		Level:      level,
		Now:        clock(),
		ClockFloor: clockFloor(),
		Reload:     f.load,
		Notify:     program.Notify,

		Environment: environment,
	}
	return serve(cmd.Context(), cfg, opts)
}

// serve runs a daemon until ctx ends; SIGHUP reloads it.
func serve(ctx context.Context, cfg config.Config, opts daemon.Options) error {
	program.OutliveLog()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	listeners, err := daemon.Listen(&cfg)
	if err != nil {
		return err
	}
	d, err := daemon.New(cfg, opts)
	if err != nil {
		return errors.Join(err, listeners.Close())
	}
	reloading, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-reloading.Done():
			return
		case <-d.Ready(): // until then, one SIGHUP waits in hup
		}
		for {
			select {
			case <-reloading.Done():
				return
			case <-hup:
				_ = d.ReloadAndTell() // it has logged its error
			}
		}
	})
	err = d.Run(ctx, listeners)
	stop()
	wg.Wait()
	return err
}

// serveDemo runs the daemon of a demo.
func serveDemo(ctx context.Context, load func() (config.Config, error), fresh bool, ready func()) error {
	cfg, err := load()
	if err != nil {
		return err
	}
	return serve(ctx, cfg, daemon.Options{
		NoFormerRun: fresh,
		Version:     release, // no logger: the project whose upstream is down would fill the screen
		Reload:      load,
		Notify: func(state string) {
			if strings.HasPrefix(state, "READY=1") {
				ready()
			}
		},
	})
}

// checkConfig prints what the configuration means, asks each upstream whether the
// configuration fits it, and fails if anything is wrong.
func checkConfig(ctx context.Context, out io.Writer, cfg config.Config, environment func(*url.URL) (*url.URL, error)) error {
	wrong, err := configcheck.Run(ctx, out, cfg, configcheck.Options{Version: release, Now: clock(), Environment: environment})
	if err == nil && wrong > 0 {
		return fmt.Errorf("%d finding(s); see above", wrong)
	}
	return err
}
