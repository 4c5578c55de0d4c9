Code.require_file("sessions.ex", __DIR__)

defmodule Examples.LeakTest do
  use ExUnit.Case, async: false

  alias Examples.Leak
  alias Examples.Leak.Sessions

  setup do
    {:ok, leaking} = Leak.leaking()
    {:ok, mended} = Leak.mended()
    for server <- [leaking, mended], do: Leak.load(server, 1_000)
    {:ok, leaking: leaking, mended: mended}
  end

  test "each identifier keeps its request, and a copy keeps nothing", context do
    assert %{needed: 80_000, kept: kept} = Sessions.retained(context.leaking)
    assert kept >= 1_000 * 100_080
    assert %{needed: 80_000, kept: 80_000} = Sessions.retained(context.mended)
  end

  test "the Doctor finds the leaking server, and nothing about the mended one", context do
    assert [finding] = Leak.diagnosis(context.leaking)
    assert finding.id in [:binary_holder, :binary_leak]
    assert finding.remedy =~ "BoundedBinary"
    assert Leak.diagnosis(context.mended) == []
  end
end
