// Package program has the common parts of this project's programs: a log that
// limits floods of lines, messages to the service manager, and exit statuses.
package program

import _ "github.com/neonauthd/neonauthd/internal/program/quiet" // each program is
