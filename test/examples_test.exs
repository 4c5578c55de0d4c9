# The recipes of examples/, each with its test.
for file <- Path.wildcard(Path.expand("../examples/*/*_test.exs", __DIR__)),
    do: Code.require_file(file)
