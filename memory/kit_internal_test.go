package memory

import (
	"io/fs"
	"strconv"
)

type fsFile = fs.File

func digits(n int) string { return strconv.Itoa(n) }
