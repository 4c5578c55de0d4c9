defmodule Mix.Tasks.Compile.BoundedNative.Target do
  @moduledoc false
  # The platform that the native library is for, as Rust names it.

  @doc """
  Returns `{:ok, target}` with

    * `triple`: such as `"aarch64-unknown-linux-gnu"`, or `nil` for an unknown platform;
    * `host?`: whether this VM can load the library;
    * `cargo?`: whether Cargo's configuration builds for that target.

  Returns `{:error, message}` if the variables contradict each other.

  Nerves and other cross-compiling tools set `TARGET_ARCH`, `TARGET_OS` and `TARGET_ABI`. Cargo does not know these: without
  `CARGO_BUILD_TARGET` it would build for this machine.
  """
  def detect(variables \\ System.get_env(), architecture \\ architecture()) do
    host = host(architecture)

    case {set(variables, "CARGO_BUILD_TARGET"), set(variables, "TARGET_ARCH")} do
      {nil, nil} ->
        {:ok, %{triple: host, host?: true, cargo?: true}}

      {nil, arch} ->
        triple = cross(arch, set(variables, "TARGET_OS"), set(variables, "TARGET_ABI"))
        {:ok, %{triple: triple, host?: false, cargo?: false}}

      {triple, arch} ->
        if arch == nil or same_processor?(triple, arch),
          do: {:ok, %{triple: triple, host?: arch == nil and triple == host, cargo?: true}},
          else: {:error, contradiction(triple, arch)}
    end
  end

  @doc "Returns the variables to set, so that Cargo builds for `triple` and not for this machine."
  def advice(triple) do
    variable = "CARGO_TARGET_#{triple |> String.upcase() |> String.replace("-", "_")}_LINKER"

    """
    TARGET_ARCH is set, so this build is for #{triple}, but Cargo would build for this machine.
    Set CARGO_BUILD_TARGET=#{triple} (`rustup target add #{triple}` installs it) and
    #{variable} to the C compiler for it, usually the value of CC. Or set BOUNDED_NIF to
    the absolute path of a library built for it elsewhere.
    """
  end

  defp contradiction(triple, arch) do
    """
    CARGO_BUILD_TARGET is #{triple}, but TARGET_ARCH is #{arch}: the library would not load on the target.
    Set CARGO_BUILD_TARGET to a target for #{arch}.
    """
  end

  defp architecture, do: List.to_string(:erlang.system_info(:system_architecture))

  defp set(variables, name) do
    case variables[name] do
      "" -> nil
      value -> value
    end
  end

  # Such as x86_64-pc-linux-gnu, aarch64-alpine-linux-musl, aarch64-apple-darwin24.1.0 and, on Windows, win32.
  defp host(architecture) do
    case String.split(architecture, "-") do
      [arch, "apple", "darwin" <> _] -> "#{processor(arch)}-apple-darwin"
      [arch, _, "linux", abi] -> "#{processor(arch)}-unknown-linux-#{abi}"
      [arch, "linux", abi] -> "#{processor(arch)}-unknown-linux-#{abi}"
      _ -> nil
    end
  end

  defp cross(arch, os, _) when os in ["darwin", "macos"], do: "#{processor(arch)}-apple-darwin"
  defp cross(arch, os, abi), do: "#{processor(arch)}-unknown-#{os || "linux"}-#{abi || "gnu"}"

  defp processor("amd64"), do: "x86_64"
  defp processor("arm64"), do: "aarch64"
  defp processor(arch), do: arch

  # 32-bit Arm has many names: Nerves says `arm`, Rust `armv7` and others.
  defp same_processor?(triple, arch) do
    [ours, theirs] = [triple |> String.split("-") |> hd(), processor(arch)]
    ours == theirs or (String.starts_with?(ours, "arm") and String.starts_with?(theirs, "arm"))
  end
end
