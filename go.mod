module github.com/elixirscope/foundation

go 1.26.0
