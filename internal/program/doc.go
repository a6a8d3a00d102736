// Package program is what the programs of this project have in common: how
// they write their log and keep a flood out of it, and how they talk to the
// service manager that runs them.
package program

import _ "github.com/neonauthd/neonauthd/internal/program/quiet" // each program is
