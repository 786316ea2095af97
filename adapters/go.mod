module github.com/elixirscope/foundation/adapters

go 1.26.0
