package protect_test

import (
	"io"
	"log"
)

// quiet swallows what net/http reports of panics that tests provoke.
var quiet = log.New(io.Discard, "", 0)
