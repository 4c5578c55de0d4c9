defmodule BoundedXml.Path do
  @moduledoc false
  # Reads the paths of `BoundedXml.select/3` into the steps that `Bounded.Native.xml_open/5` takes:
  # `{any depth before it?, uri | nil for any | "" for none, local name | nil for any}`.

  @max_steps 63

  # NCName ::= NameStartChar NameChar*, without the colon (Namespaces in XML 1.0, production 4).
  @name_start "A-Z_a-z\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{2FF}\\x{370}-\\x{37D}\\x{37F}-\\x{1FFF}" <>
                "\\x{200C}-\\x{200D}\\x{2070}-\\x{218F}\\x{2C00}-\\x{2FEF}\\x{3001}-\\x{D7FF}" <>
                "\\x{F900}-\\x{FDCF}\\x{FDF0}-\\x{FFFD}\\x{10000}-\\x{EFFFF}"
  @name_char @name_start <> ".0-9\\x{B7}\\x{300}-\\x{36F}\\x{203F}-\\x{2040}-"

  @xml_uri "http://www.w3.org/XML/1998/namespace"

  @doc """
  Raises `ArgumentError` that points at what is wrong. `prefixes` are those of `prefixes:`, checked.
  """
  def parse!(path, namespaces?, prefixes \\ %{})

  def parse!(path, namespaces?, prefixes) when is_binary(path) do
    String.valid?(path) || raise ArgumentError, "cannot read the path #{inspect(path)}: not UTF-8"
    prefixes = if namespaces?, do: Map.put_new(prefixes, "xml", @xml_uri)
    steps = steps(path, {path, prefixes}, 0, true)
    if length(steps) > @max_steps, do: wrong!(path, 0, "more than #{@max_steps} steps")
    steps
  end

  def parse!([_ | _] = path, true, _prefixes) do
    steps = listed(path, path, false)
    if length(steps) > @max_steps, do: wrong_list!(path, "more than #{@max_steps} steps")
    steps
  end

  def parse!(path, false, _prefixes) when is_list(path) do
    raise ArgumentError, "a path in steps needs namespaces: true, got: #{inspect(path)}"
  end

  def parse!(path, _namespaces?, _prefixes) do
    raise ArgumentError,
          ~s(a path is a string such as "rss/channel/item" or a list of steps, got: #{inspect(path)})
  end

  @doc "Whether `name` can be a prefix or the local part of a name."
  def ncname?(name), do: String.valid?(name) and Regex.match?(ncname(), name)

  # Compiled by the call: a compiled regex holds a reference on OTP 28, which no module attribute can store.
  defp ncname, do: Regex.compile!("\\A[#{@name_start}][#{@name_char}]*\\z", "u")
  defp name, do: Regex.compile!("\\A[:#{@name_start}][:#{@name_char}]*", "u")

  # "a/b", "/a/b", "//a", "a//b"
  defp steps("//" <> rest, path, at, _first?), do: name(rest, path, at + 2, true)
  defp steps("/" <> rest, path, at, _first?), do: name(rest, path, at + 1, false)
  defp steps(rest, path, at, true), do: name(rest, path, at, false)
  defp steps("", _path, _at, false), do: []

  defp steps(<<char::utf8, _::binary>>, {path, _}, at, false),
    do: wrong!(path, at, "#{inspect(<<char::utf8>>)} is not part of a path: #{hint(char)}")

  defp name("*" <> rest, path, at, depth?),
    do: [{depth?, nil, nil} | steps(rest, path, at + 1, false)]

  defp name(rest, {string, prefixes} = path, at, depth?) do
    case Regex.run(name(), rest) do
      [name] ->
        size = byte_size(name)
        rest = binary_part(rest, size, byte_size(rest) - size)
        after_name = at + String.length(name)
        # "foo:*"
        any? = prefixes != nil and String.ends_with?(name, ":") and String.starts_with?(rest, "*")

        {name, rest, next} =
          if any?, do: any(name, rest, after_name), else: {name, rest, after_name}

        {uri, local} = resolve(name, string, at, prefixes)
        [{depth?, uri, local} | steps(rest, path, next, false)]

      nil ->
        wrong!(string, at, "the name of an element or * must stand here#{hint_at(rest)}")
    end
  end

  defp any(prefix, "*" <> rest, at), do: {prefix <> "*", rest, at + 1}

  # Without namespaces a name is what stands in the document, colons and all.
  defp resolve(name, _path, _at, nil), do: {nil, name}

  defp resolve(name, path, at, prefixes) do
    case String.split(name, ":") do
      [local] -> {nil, local}
      [prefix, local] -> resolve(prefix, local, path, at, prefixes)
      _more -> wrong!(path, at, "#{inspect(name)} is a name with more than one colon")
    end
  end

  defp resolve(prefix, local, path, at, prefixes) do
    (ncname?(prefix) and (local == "*" or ncname?(local))) ||
      wrong!(path, at, "#{inspect(prefix <> ":" <> local)} is not a prefix and a name")

    case prefixes do
      %{^prefix => uri} -> {uri, if(local != "*", do: local)}
      _ -> wrong!(path, at, unknown_prefix(prefix, local))
    end
  end

  defp unknown_prefix(prefix, local) do
    "the path does not know what the prefix #{inspect(prefix)} stands for. Pass prefixes: " <>
      ~s(%{#{inspect(prefix)} => "its URI"}, or write the path as steps: {"its URI", #{inspect(local)}})
  end

  @not_elements "a path selects elements by name; look at attributes and text of what it gives"

  defp hint(char) when char in ~c"[]@()='\".", do: @not_elements
  defp hint(_char), do: "it is names and * between slashes"

  defp hint_at(<<char, _::binary>>) when char in ~c"[]@()='\".", do: ": " <> @not_elements
  defp hint_at(_rest), do: ""

  # [{uri, "a"}, "b", "*", "//", "c"]
  defp listed([], _path, false), do: []
  defp listed([], path, true), do: wrong_list!(path, ~s(a step must follow the last "//"))
  defp listed(["//" | rest], path, _depth?), do: listed(rest, path, true)
  defp listed(["*" | rest], path, depth?), do: [{depth?, nil, nil} | listed(rest, path, false)]

  defp listed([{uri, "*"} | rest], path, depth?) when is_binary(uri) or is_nil(uri),
    do: [{depth?, uri!(uri, path), nil} | listed(rest, path, false)]

  defp listed([{uri, local} | rest], path, depth?)
       when (is_binary(uri) or is_nil(uri)) and is_binary(local),
       do: [{depth?, uri!(uri, path), local!(local, path)} | listed(rest, path, false)]

  defp listed([local | rest], path, depth?) when is_binary(local) do
    String.contains?(local, "/") &&
      wrong_list!(path, "#{inspect(local)} is more than one step")

    [{depth?, nil, local!(local, path)} | listed(rest, path, false)]
  end

  defp listed([step | _], path, _depth?), do: wrong_list!(path, "#{inspect(step)} is not a step")

  defp uri!(nil, _path), do: ""

  defp uri!(uri, path),
    do: if(String.valid?(uri), do: uri, else: wrong_list!(path, "#{inspect(uri)} is not UTF-8"))

  # A step can only match if its name can stand in a document.
  defp local!("", path), do: wrong_list!(path, "a name must not be empty")

  defp local!(local, path) do
    cond do
      ncname?(local) -> local
      not String.valid?(local) -> wrong_list!(path, "#{inspect(local)} is not UTF-8")
      true -> wrong_list!(path, "#{inspect(local)} is not the name of an element#{why(local)}")
    end
  end

  defp why(local) do
    cond do
      prefixed?(local) -> ~s(: a step has no prefix, write {"its URI", "name"})
      String.contains?(local, ["[", "]", "@", "(", ")", "=", "."]) -> ": " <> @not_elements
      true -> ""
    end
  end

  defp prefixed?(name),
    do:
      name
      |> String.split(":")
      |> then(&(match?([_, _], &1) and Enum.all?(&1, fn part -> ncname?(part) end)))

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
