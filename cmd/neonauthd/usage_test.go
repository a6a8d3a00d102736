package main

import (
	"testing"

	"github.com/neonauthd/neonauthd/internal/program/command/commandtest"
)

func TestTheCommandLineRepeatsNothing(t *testing.T) { commandtest.RepeatsNothing(t, root) }
