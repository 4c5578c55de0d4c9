defmodule Bounded.Build.TrialTest do
  use ExUnit.Case, async: true

  alias Bounded.Build.Trial

  @moduletag :tmp_dir
  @moduletag timeout: 120_000

  setup_all do
    {:ok, library: File.read!(Application.app_dir(:bounded, "priv/native/bounded_nif.so"))}
  end

  defp load(content, dir), do: Trial.load(content, Application.app_dir(:bounded, "ebin"), dir)

  test "this package's own library loads, and nothing of the trial is left", %{
    tmp_dir: dir,
    library: library
  } do
    assert load(library, dir) == :ok
    assert File.ls!(dir) == []
  end

  test "what is no library, half of one or another's is refused with the VM's reason", %{
    tmp_dir: dir,
    library: library
  } do
    for junk <- ["", "junk"] do
      assert {:error, reason} = load(junk, dir)
      assert reason =~ "Failed to load NIF library"
    end

    # The start of a library can crash a VM that maps it.
    assert {:error, _} = library |> binary_part(0, 4096) |> load(dir)

    [other | _] = Path.wildcard("#{:code.lib_dir()}/{crypto,asn1}-*/priv/lib/*.so")
    assert {:error, reason} = load(File.read!(other), dir)
    assert reason =~ ~r/Library module name|Elixir.Bounded.Native/
    assert File.ls!(dir) == []
  end

  test "a library for a machine that this one cannot run is known by its header", %{
    library: library
  } do
    {:ok, %{triple: host}} = Bounded.Build.Target.detect(%{})
    assert Trial.inspect_header(library, host) == :ok
    [own | rest] = String.split(host, "-")
    foreign = Enum.join([if(own == "aarch64", do: "x86_64", else: "aarch64") | rest], "-")

    assert Trial.inspect_header(library, foreign) ==
             {:error, "it is for another processor than #{foreign}"}

    assert {:error, "it is neither" <> _} = Trial.inspect_header("junk", host)

    assert {:error, "it has no function" <> _} =
             library |> binary_part(0, 64) |> Trial.inspect_header(host)
  end
end
