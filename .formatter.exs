[
  inputs: [
    "{mix,.formatter}.exs",
    "{config,lib,test}/**/*.{ex,exs}",
    "bench/**/*.{ex,exs}",
    "demo/**/*.ex"
  ]
]
