defmodule Bounded.ReloadTest do
  # Alone, because it loads a module that all others use.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog
  alias Bounded.Native

  test "loading the module again is refused, and what is loaded goes on working" do
    assert {:module, Native} = Code.ensure_loaded(Native)
    # The VM logs it, sooner or later.
    capture_log(fn -> assert {:error, :on_load_failure} = :code.load_file(Native) end)
    assert {{_, _, _, _, _}, _, _} = Native.node_usage()
    assert Quota.run(Quota.mib(1), fn -> :works end) == :works
  end
end
