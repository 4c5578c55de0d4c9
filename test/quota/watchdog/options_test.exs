defmodule Quota.Watchdog.OptionsTest do
  use ExUnit.Case, async: true

  alias Quota.Watchdog.Options

  test "takes what the documentation allows" do
    assert %Options{kill_at: 0.9, mode: :observe, protect: [], handle: nil, per_minute: 20} =
             Options.validate!([])

    handle = fn _report -> :proceed end
    protect = [:name, self(), {:ancestor, :name}, {:ancestor, self()}, {Module, :start, 1}]

    options = [
      kill_at: 64_000_000,
      mode: :enforce,
      protect: protect,
      handle: handle,
      per_minute: 1
    ]

    assert %Options{kill_at: 64_000_000, protect: ^protect, handle: ^handle, per_minute: 1} =
             Options.validate!(options)
  end

  test "refuses everything else, and says what is wanted and what was given" do
    for {name, wanted, values} <- [
          {:kill_at,
           "a fraction of the limit above 0.0 and below 1.0, or the bytes that must stay free",
           [0.0, 1.0, 0, -1, nil, "90 %"]},
          {:mode, ":enforce or :observe", [:kill, nil]},
          {:protect, "a list of registered names, pids",
           [
             :name,
             [nil],
             [true],
             ["name"],
             [{:ancestor, "a"}],
             [{Module, :start, "1"}],
             [:a | :b]
           ]},
          {:handle, "a function of one argument", [fn -> :ok end, :fun]},
          {:per_minute, "an integer above 0", [0, 1.5, nil]}
        ],
        value <- values do
      error = assert_raise ArgumentError, fn -> Options.validate!([{name, value}]) end
      assert error.message =~ "the option #{inspect(name)} of Quota.Watchdog must be #{wanted}"
      assert error.message =~ "got: #{inspect(value)}"
    end

    assert_raise ArgumentError, ~r/unknown keys \[:killat\]/, fn ->
      Options.validate!(killat: 0.5)
    end

    assert_raise ArgumentError, ~r/must be a keyword list/, fn ->
      Options.validate!([:enforce])
    end
  end
end
