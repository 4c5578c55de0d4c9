[
  inputs: [
    "{mix,.formatter}.exs",
    "{config,lib,test,examples}/**/*.{ex,exs}",
    "bench/**/*.{ex,exs}",
    "demo/**/*.ex",
    "native/fuzz/*.exs"
  ],
  # For `import_deps: [:bounded]`: every function of Bounded takes its parentheses.
  export: [locals_without_parens: []]
]
