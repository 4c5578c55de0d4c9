defmodule BoundedBinary.MutationsTest do
  # Damaged data against the VM: the short version of bench/mutations.exs.
  use ExUnit.Case, async: true

  alias Bounded.Test.Mutations

  @cases 2_000

  for kind <- [:external_term, :inflate] do
    test "#{kind}: what is damaged is accepted and refused as by the VM" do
      results = for _ <- 1..@cases, do: Mutations.check(unquote(kind))
      counts = Enum.frequencies(results)
      assert counts[:accepted] > 100 and counts[:refused] > 100
    end
  end
end
