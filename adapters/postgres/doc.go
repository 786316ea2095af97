// Package postgres connects the layer to PostgreSQL through pgx.
//
// # Usage
//
// [Kind] is the "postgres" kind of worker: a pool lends single *pgx.Conn values.
//
//	fnd, err := foundation.Open(ctx, foundation.Options{
//		ConfigFile: "foundation.yaml",
//		Kinds:      map[string]pool.Kind{"postgres": postgres.Kind()},
//	})
//
//	pools:
//	  orders_db: { worker: postgres, options: { dsn: "${ORDERS_DSN}" }, size: 5 }
//
// Where a *pgxpool.Pool exists already, [Adopt] makes a stage of it that keeps its
// pooling.
//
// # Errors
//
// No error of this package holds the DSN or a password.
package postgres
