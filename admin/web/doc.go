// Package web holds the page of the admin API: static files that talk to the API below the
// same address and to nothing else. They are embedded as they stand in the repository; no
// tool builds them. Package admin serves them, so a program that mounts an admin.API has
// the page already.
package web
