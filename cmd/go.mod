module github.com/elixirscope/foundation/cmd

go 1.26.0
