// Package yamlx reads and writes the YAML of configuration files, strictly. It
// is the only place that knows the YAML library.
//
// The way of a file: [Parse] turns text into a tree of [Node] (limits,
// duplicate keys, aliases and merge keys are dealt with here), [Expand] replaces
// ${…} in scalars, [Decoder.Decode] walks the tree beside a Go type and fills
// it. Each step reports every [Fault] it finds, with its position, and none
// stops at the first: whoever wrote the file mends it in one go.
//
// Expanding after parsing means that a variable's text can never add a key or
// change the structure of the file.
package yamlx
