defmodule Mix.Tasks.Compile.BoundedNative.TargetTest do
  use ExUnit.Case, async: true

  alias Mix.Tasks.Compile.BoundedNative.Target

  defp detect(variables, architecture \\ "x86_64-pc-linux-gnu"),
    do: Target.detect(variables, architecture)

  test "names the platform of this VM as Rust does" do
    for {architecture, triple} <- [
          {"x86_64-pc-linux-gnu", "x86_64-unknown-linux-gnu"},
          {"aarch64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"},
          {"x86_64-alpine-linux-musl", "x86_64-unknown-linux-musl"},
          {"aarch64-linux-gnu", "aarch64-unknown-linux-gnu"},
          {"amd64-pc-linux-gnu", "x86_64-unknown-linux-gnu"},
          {"aarch64-apple-darwin24.1.0", "aarch64-apple-darwin"},
          {"x86_64-apple-darwin23.6.0", "x86_64-apple-darwin"},
          {"amd64-portbld-freebsd14.1", nil},
          {"win32", nil}
        ] do
      assert detect(%{}, architecture) == {:ok, %{triple: triple, host?: true, cargo?: true}}
    end
  end

  @tag skip: if(!System.find_executable("rustc"), do: "rustc is not there")
  test "the name of this very VM's platform is the one that Rust gives it" do
    [_, host] = Regex.run(~r/host: (\S+)/, elem(System.cmd("rustc", ["-vV"]), 0))
    assert {:ok, %{triple: ^host, host?: true}} = Target.detect(%{})
  end

  test "with TARGET_ARCH, Cargo builds nothing unless CARGO_BUILD_TARGET says for what" do
    nerves = %{"TARGET_ARCH" => "aarch64", "TARGET_OS" => "linux", "TARGET_ABI" => "gnu"}
    triple = "aarch64-unknown-linux-gnu"
    assert detect(nerves) == {:ok, %{triple: triple, host?: false, cargo?: false}}

    advice = Target.advice(triple)
    assert advice =~ "CARGO_BUILD_TARGET=aarch64-unknown-linux-gnu"
    assert advice =~ "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER"

    told = Map.put(nerves, "CARGO_BUILD_TARGET", triple)
    assert detect(told) == {:ok, %{triple: triple, host?: false, cargo?: true}}

    # Even for this machine's own processor: the target's C library is another.
    own = %{"TARGET_ARCH" => "x86_64", "TARGET_OS" => "linux", "TARGET_ABI" => "musl"}

    assert {:ok, %{triple: "x86_64-unknown-linux-musl", host?: false, cargo?: false}} =
             detect(own)

    assert {:ok, %{triple: "arm-unknown-linux-gnueabihf"}} =
             detect(%{"TARGET_ARCH" => "arm", "TARGET_ABI" => "gnueabihf"})

    assert {:ok, %{triple: "aarch64-unknown-linux-gnu"}} = detect(%{"TARGET_ARCH" => "arm64"})

    for os <- ["darwin", "macos"] do
      variables = %{"TARGET_ARCH" => "arm64", "TARGET_OS" => os}
      assert {:ok, %{triple: "aarch64-apple-darwin"}} = detect(variables)
    end
  end

  test "CARGO_BUILD_TARGET for another processor than TARGET_ARCH is an error" do
    variables = %{"TARGET_ARCH" => "aarch64", "CARGO_BUILD_TARGET" => "x86_64-unknown-linux-gnu"}
    assert {:error, message} = detect(variables)
    assert message =~ "CARGO_BUILD_TARGET is x86_64-unknown-linux-gnu, but TARGET_ARCH is aarch64"

    arm = %{"TARGET_ARCH" => "arm", "CARGO_BUILD_TARGET" => "armv7-unknown-linux-gnueabihf"}
    assert {:ok, %{cargo?: true}} = detect(arm)
  end

  test "CARGO_BUILD_TARGET alone decides, and empty variables are none" do
    assert {:ok, %{host?: true, cargo?: true}} =
             detect(%{"CARGO_BUILD_TARGET" => "x86_64-unknown-linux-gnu"})

    assert {:ok, %{host?: false, cargo?: true}} =
             detect(%{"CARGO_BUILD_TARGET" => "aarch64-unknown-linux-gnu"})

    assert {:ok, %{host?: true, cargo?: true}} =
             detect(%{"CARGO_BUILD_TARGET" => "", "TARGET_ARCH" => ""})
  end
end
