defmodule Bounded.PanicTest do
  # Each panic is a fault that only builds for tests have: see `native/nif/src/fault_injection.rs`.
  use ExUnit.Case, async: true

  alias Bounded.Test.{Churn, Panics, Peer}

  @moduletag :tmp_dir

  setup %{tmp_dir: dir} do
    fault = Path.join(dir, "fault")
    File.write!(fault, "")
    %{peer: Peer.start(~w(-env RUST_BACKTRACE 0 -env BOUNDED_FAULT) ++ [fault])}
  end

  test "a panic in a NIF is an exception; in what the VM calls by itself, nothing", %{peer: peer} do
    at = &Peer.call(peer, Panics, :at, [&1])

    assert {:error, :nif_panicked} = at.("binary_copy")
    assert {:error, :nif_panicked} = at.("xml_feed")

    # Only that it failed is known where another process had to start the guard.
    assert {:exit, {{:guard_died, reason}, {Quota, :run, _}}} = at.("account_poll")
    assert reason == :failed or match?({:nif_panicked, _}, reason), inspect(reason)

    # Nothing tells why the VM killed it, unless the guard was there before.
    for place <- ["enabled", "trace"] do
      case at.(place) do
        {:exit, reason} -> assert {:killed, {Quota, :run, _}} = reason
        {:error, error} -> assert %Quota.ExceededError{category: :heap} = error
      end
    end

    for place <- ["destructor", "drop", "down"], do: assert(at.(place) == :normal)

    assert Peer.call(peer, Churn, :works?, [])
  end
end
