defmodule BoundedTest do
  # The examples of the README's front page, run as they stand.
  use ExUnit.Case, async: true

  doctest Bounded
end
