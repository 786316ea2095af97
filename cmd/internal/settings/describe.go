package settings

import (
	"path"
	"reflect"
)

// describe looks a field's documentation up. The table is written by the test that
// checks that it is current: go test ./internal/settings -update.
func describe(owner reflect.Type, field string) string {
	return descriptions[path.Base(owner.PkgPath())+"."+owner.Name()+"."+field]
}
