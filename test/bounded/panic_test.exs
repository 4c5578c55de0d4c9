defmodule Bounded.PanicTest do
  # Builds the library with panics in it: only in `bin/test`, and alone, because Cargo does one thing at a time.
  use ExUnit.Case, async: false

  alias Bounded.Build.Cargo
  alias Bounded.Test.{Churn, Panics, Peer}

  @moduletag :build
  @moduletag :tmp_dir
  @moduletag timeout: 600_000

  # The application as it is, but for its library.
  setup %{tmp_dir: dir} do
    # What it says to people is of no interest here.
    Mix.shell(Mix.Shell.Quiet)
    on_exit(fn -> Mix.shell(Mix.Shell.IO) end)

    build =
      ~w(build --package bounded_nif --features faults --message-format=json-render-diagnostics)

    assert {:ok, 0, output} = Cargo.run(build)
    {:ok, library} = Cargo.library(output, "bounded_nif")

    home = Path.join(dir, "bounded")
    ebin = to_string(:code.lib_dir(:bounded)) |> Path.join("ebin")
    File.mkdir_p!(Path.join(home, "priv/native"))
    File.cp!(library, Path.join(home, "priv/native/bounded_nif.so"))
    File.ln_s!(ebin, Path.join(home, "ebin"))

    code =
      for path <- :code.get_path() do
        if Path.expand(to_string(path)) == ebin, do: ~c"#{home}/ebin", else: path
      end

    fault = Path.join(dir, "fault")
    File.write!(fault, "")
    %{peer: Peer.start(~w(-env RUST_BACKTRACE 0 -env BOUNDED_FAULT) ++ [fault], code)}
  end

  test "a panic in a NIF is an exception; in what the VM calls by itself, nothing", %{peer: peer} do
    at = &Peer.call(peer, Panics, :at, [&1])

    assert {:error, :nif_panicked} = at.("binary_copy")
    assert {:error, :nif_panicked} = at.("xml_feed")

    # Its reason is lost where another process had to start the guard.
    assert {:exit, {{:guard_died, reason}, {Quota, :run, _}}} = at.("account_poll")
    assert reason == :noproc or match?({:nif_panicked, _}, reason)

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
