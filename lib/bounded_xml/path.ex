defmodule BoundedXml.Path do
  @moduledoc false
  # Reads the paths of `BoundedXml.select/3` into the steps that `Bounded.Native.xml_open/5` takes:
  # `{any depth before it?, uri | nil for any | "" for none, local name | nil for any}`.

  @max_steps 63

  @doc "Raises `ArgumentError` that points at what is wrong."
  def parse!(path, namespaces?)

  def parse!(path, _namespaces?) when is_binary(path) do
    steps =
      if String.valid?(path), do: steps(path, path, 0, true), else: wrong!(path, 0, "not UTF-8")

    if length(steps) > @max_steps, do: wrong!(path, 0, "more than #{@max_steps} steps")
    steps
  end

  def parse!([_ | _] = path, true) do
    steps = listed(path, path, false)
    if length(steps) > @max_steps, do: wrong_list!(path, "more than #{@max_steps} steps")
    steps
  end

  def parse!(path, false) when is_list(path) do
    raise ArgumentError, "a path in steps needs namespaces: true, got: #{inspect(path)}"
  end

  def parse!(path, _namespaces?) do
    raise ArgumentError,
          ~s(a path is a string such as "rss/channel/item" or a list of steps, got: #{inspect(path)})
  end

  # "a/b", "/a/b", "//a", "a//b"
  defp steps("//" <> rest, path, at, _first?), do: name(rest, path, at + 2, true)
  defp steps("/" <> rest, path, at, _first?), do: name(rest, path, at + 1, false)
  defp steps(rest, path, at, true), do: name(rest, path, at, false)
  defp steps("", _path, _at, false), do: []

  defp steps(<<char::utf8, _::binary>>, path, at, false),
    do: wrong!(path, at, "#{inspect(<<char::utf8>>)} is not part of a path: #{hint(char)}")

  defp name("*" <> rest, path, at, depth?),
    do: [{depth?, nil, nil} | steps(rest, path, at + 1, false)]

  defp name(rest, path, at, depth?) do
    case Regex.run(~r/^[\p{L}_:][\p{L}\p{N}\p{M}_:.\-\x{B7}]*/u, rest) do
      [name] ->
        size = byte_size(name)
        rest = binary_part(rest, size, byte_size(rest) - size)
        [{depth?, nil, name} | steps(rest, path, at + String.length(name), false)]

      nil ->
        wrong!(path, at, "the name of an element or * must stand here")
    end
  end

  defp hint(char) when char in ~c"[]@()='\"",
    do: "a path selects elements by name; look at attributes and text of what it gives"

  defp hint(_char), do: "it is names and * between slashes"

  # [{uri, "a"}, "b", "*", "//", "c"]
  defp listed([], _path, false), do: []
  defp listed([], path, true), do: wrong_list!(path, ~s(a step must follow the last "//"))
  defp listed(["//" | rest], path, _depth?), do: listed(rest, path, true)
  defp listed(["*" | rest], path, depth?), do: [{depth?, nil, nil} | listed(rest, path, false)]

  defp listed([{uri, local} | rest], path, depth?)
       when (is_binary(uri) or is_nil(uri)) and is_binary(local) and local != "" do
    local = if local != "*", do: local
    [{depth?, uri || "", local} | listed(rest, path, false)]
  end

  defp listed([local | rest], path, depth?) when is_binary(local) do
    String.contains?(local, "/") &&
      wrong_list!(path, "#{inspect(local)} is more than one step")

    local == "" && wrong_list!(path, "a name must not be empty")
    [{depth?, nil, local} | listed(rest, path, false)]
  end

  defp listed([step | _], path, _depth?), do: wrong_list!(path, "#{inspect(step)} is not a step")

  defp wrong_list!(path, reason) do
    raise ArgumentError, "cannot read the path #{inspect(path)}: #{reason}"
  end

  defp wrong!(path, at, reason) do
    raise ArgumentError, """
    cannot read the path: #{reason}

        #{path}
        #{String.duplicate(" ", at)}^
    """
  end
end
