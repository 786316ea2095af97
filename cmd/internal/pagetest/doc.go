// Package pagetest opens the page of the admin API in a real browser. It holds tests alone:
// admin/web cannot hold them, because the library does not depend on what drives a browser.
package pagetest
