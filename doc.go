// Package foundation assembles the layer: breakers, rate limits, pools and
// guards by name, from one configuration that can change while calls run.
//
// # Usage
//
// Open a layer, ask for guards by name, close it:
//
//	fnd, err := foundation.Open(ctx, foundation.Options{ConfigFile: "foundation.yaml"})
//	checkout, err := fnd.Guard("checkout")
//	err = checkout.Do(ctx, func(ctx context.Context) error { … })
//	err = fnd.Close(ctx)
//
// The parts can be used without this package; it adds the names, the file, and
// the changes at run time. With zero [Options] nothing is read, listened on,
// started or registered.
//
// # Changes
//
// [Foundation.Apply] and [Foundation.Reload] put a whole configuration in place
// of another, or change nothing: everything that can fail (checks, opening
// pools) is done before the first part is touched. Parts whose names stay keep
// their state. Parts that go are closed after the swap. A guard's call sees one
// revision of its guard whole: its settings and its parts; a part that several
// guards share takes its own new settings in one step.
//
// # Concurrency
//
// Everything is safe for concurrent use. Reading ([Foundation.Guard],
// [Foundation.Status], …) never waits for a change; changes wait for one
// another.
//
// # Errors
//
// Every error is a *fault.Error: not_found with the nearest name, invalid_config
// with all problems, conflict, already_exists, closed.
package foundation
