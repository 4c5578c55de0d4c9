defmodule BoundedXml.Path do
  @moduledoc false
  # Parses the paths of `BoundedXml.select/3` into the steps that `Bounded.Native.xml_open/5` takes:
  # `{any depth before it?, uri | nil for any | "" for none, local name | nil for any, predicates}`.
  #
  # A predicate is `{uri | "" for none, local name of an attribute, nil | equal?, value | nil}`.

  @max_steps 63

  # NCName ::= NameStartChar NameChar*, without the colon (Namespaces in XML 1.0, production 4).
  @name_start "A-Z_a-z\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{2FF}\\x{370}-\\x{37D}\\x{37F}-\\x{1FFF}" <>
                "\\x{200C}-\\x{200D}\\x{2070}-\\x{218F}\\x{2C00}-\\x{2FEF}\\x{3001}-\\x{D7FF}" <>
                "\\x{F900}-\\x{FDCF}\\x{FDF0}-\\x{FFFD}\\x{10000}-\\x{EFFFF}"
  @name_char @name_start <> ".0-9\\x{B7}\\x{300}-\\x{36F}\\x{203F}-\\x{2040}-"

  @xml_uri "http://www.w3.org/XML/1998/namespace"

  @doc """
  Returns `{steps, attribute}` of `path`, or raises an `ArgumentError` that points at the error. `attribute` is `{uri, local}` of
  the attribute that the path ends with, or nil. `prefixes` is the valid option `:prefixes`.
  """
  def parse!(path, namespaces?, prefixes \\ %{})

  def parse!(path, namespaces?, prefixes) when is_binary(path) do
    String.valid?(path) || raise ArgumentError, "cannot read the path #{inspect(path)}: not UTF-8"
    prefixes = if namespaces?, do: Map.put_new(prefixes, "xml", @xml_uri)
    {steps, attribute} = path |> steps({path, prefixes}, 0, true) |> Enum.split_while(&step?/1)
    if length(steps) > @max_steps, do: wrong!(path, 0, "more than #{@max_steps} steps")
    {steps, List.first(attribute)}
  end

  def parse!([_ | _] = path, true, _prefixes) do
    steps = listed(path, path, false)
    if length(steps) > @max_steps, do: wrong_list!(path, "more than #{@max_steps} steps")
    {steps, nil}
  end

  def parse!(path, false, _prefixes) when is_list(path) do
    raise ArgumentError, "a path in steps needs namespaces: true, got: #{inspect(path)}"
  end

  def parse!(path, _namespaces?, _prefixes) do
    raise ArgumentError,
          ~s(the path must be a string such as "rss/channel/item" or a list of steps, got: #{inspect(path)})
  end

  defp step?(step), do: tuple_size(step) == 4

  @doc """
  Returns `{:record | :root, steps, attribute}` of the path of a field: from the record on, or from the root element on to an
  attribute. Raises an `ArgumentError` like `parse!/3`.
  """
  def field!(path, namespaces?, prefixes) when is_binary(path) do
    String.valid?(path) || raise ArgumentError, "cannot read the path #{inspect(path)}: not UTF-8"
    context = {path, if(namespaces?, do: Map.put_new(prefixes, "xml", @xml_uri))}
    {steps, attribute} = path |> field(context) |> Enum.split_while(&step?/1)

    case {String.starts_with?(path, "/") and not String.starts_with?(path, "//"), attribute} do
      {true, []} ->
        wrong!(
          path,
          0,
          "a path from the root element on ends with an attribute, as in /rss/@version"
        )

      {true, [attribute]} ->
        {:root, steps, attribute}

      {false, attribute} ->
        {:record, steps, List.first(attribute)}
    end
  end

  def field!(path, namespaces?, prefixes) do
    {steps, nil} = parse!(path, namespaces?, prefixes)
    {:record, steps, nil}
  end

  # "." is the record itself, "@a" its attribute.
  defp field(".", _context), do: []
  defp field(".//" <> rest, context), do: name(rest, context, 3, true)
  defp field("./@" <> rest, context), do: attribute(rest, context, 3)
  defp field("./" <> rest, context), do: name(rest, context, 2, false)
  defp field("@" <> rest, context), do: attribute(rest, context, 1)
  defp field(path, context), do: steps(path, context, 0, true)

  @doc "Whether `name` can be a prefix or the local part of a name."
  def ncname?(name) do
    String.valid?(name) and
      case leading_name(name) do
        [^name] -> not String.contains?(name, ":")
        _other -> false
      end
  end

  # The name that `rest` begins with. ASCII is most of it, and compiling a regex takes longer than all the rest.
  defp leading_name(<<first, _::binary>> = rest)
       when first in ?a..?z or first in ?A..?Z or first in ~c"_:" do
    size = ascii_name(rest, 0)

    if byte_size(rest) > size and :binary.at(rest, size) >= 0x80,
      do: Regex.run(name(), rest),
      else: [binary_part(rest, 0, size)]
  end

  defp leading_name(<<byte, _::binary>> = rest) when byte >= 0x80, do: Regex.run(name(), rest)
  defp leading_name(_rest), do: nil

  defp ascii_name(<<byte, rest::binary>>, size)
       when byte in ?a..?z or byte in ?A..?Z or byte in ?0..?9 or byte in ~c"_:.-",
       do: ascii_name(rest, size + 1)

  defp ascii_name(_rest, size), do: size

  # Compiled at each call: on OTP 28 a compiled regex holds a reference, which a module attribute cannot store.
  defp name, do: Regex.compile!("\\A[:#{@name_start}][:#{@name_char}]*", "u")

  # "a/b", "/a/b", "//a", "a//b", "a/@b"
  defp steps("//" <> rest, path, at, _first?), do: name(rest, path, at + 2, true)
  defp steps("/@" <> rest, path, at, false), do: attribute(rest, path, at + 2)
  defp steps("/" <> rest, path, at, _first?), do: name(rest, path, at + 1, false)
  defp steps(rest, path, at, true), do: name(rest, path, at, false)
  defp steps("", _path, _at, false), do: []

  defp steps(<<char::utf8, _::binary>>, {path, _}, at, false),
    do: wrong!(path, at, "#{inspect(<<char::utf8>>)} is not part of a path: #{hint(char)}")

  defp name("*" <> rest, path, at, depth?), do: step(rest, path, at + 1, {depth?, nil, nil})

  defp name(rest, {string, prefixes} = path, at, depth?) do
    case leading_name(rest) do
      [name] ->
        {rest, next} = behind(name, rest, at)
        # "foo:*"
        any? = prefixes != nil and String.ends_with?(name, ":") and String.starts_with?(rest, "*")
        {name, rest, next} = if any?, do: any(name, rest, next), else: {name, rest, next}
        {uri, local} = resolve(name, string, at, prefixes)
        step(rest, path, next, {depth?, uri, local})

      nil ->
        wrong!(string, at, "expected the name of an element or * here#{hint_at(rest)}")
    end
  end

  # A step with the predicates behind it.
  defp step(rest, path, at, {depth?, uri, local}) do
    {predicates, rest, at} = predicates(rest, path, at)
    [{depth?, uri, local, predicates} | steps(rest, path, at, false)]
  end

  # "[@a]", "[@a='x']", "[@a!='x']"
  defp predicates("[@" <> rest, path, at) do
    {{uri, local}, rest, at} = attribute_name(rest, path, at + 2)
    {rest, at} = skip(rest, at)
    {comparison, rest, at} = operator(rest, at)
    {equal, value, rest, at} = comparison(comparison, rest, path, at)
    {predicates, rest, at} = rest |> expect("]", path, at) |> predicates(path, at + 1)
    {[{uri, local, equal, value} | predicates], rest, at}
  end

  defp predicates("[" <> _rest, {path, _}, at),
    do:
      wrong!(path, at, "a condition is [@a], [@a='x'] or [@a!='x'] with the name of an attribute")

  defp predicates(rest, _path, at), do: {[], rest, at}

  defp comparison(:none, rest, _path, at), do: {nil, nil, rest, at}

  defp comparison(equal?, rest, path, at) do
    {rest, at} = skip(rest, at)
    {value, rest, at} = quoted(rest, path, at)
    {rest, at} = skip(rest, at)
    {equal?, value, rest, at}
  end

  defp operator("=" <> rest, at), do: {true, rest, at + 1}
  defp operator("!=" <> rest, at), do: {false, rest, at + 2}
  defp operator(rest, at), do: {:none, rest, at}

  defp skip(" " <> rest, at), do: skip(rest, at + 1)
  defp skip(rest, at), do: {rest, at}

  defp quoted(<<quote, rest::binary>>, {path, _}, at) when quote in ~c"'\"" do
    case :binary.split(rest, <<quote>>) do
      [value, rest] -> {value, rest, at + String.length(value) + 2}
      [_all] -> wrong!(path, at, "this quote has no end")
    end
  end

  defp quoted(_rest, {path, _}, at), do: wrong!(path, at, "expected a value in quotes here")

  defp expect(<<char, rest::binary>>, <<char>>, _path, _at), do: rest
  defp expect(_rest, char, {path, _}, at), do: wrong!(path, at, "expected #{char} here")

  # "@b" at the end of a path
  defp attribute(rest, {string, _} = path, at) do
    case attribute_name(rest, path, at) do
      {attribute, "", _at} -> [attribute]
      {_, _rest, at} -> wrong!(string, at, "a path ends with its attribute")
    end
  end

  # Without a prefix it is in no namespace, as in XPath.
  defp attribute_name(rest, {path, prefixes}, at) do
    case leading_name(rest) do
      [name] ->
        {rest, next} = behind(name, rest, at)
        {uri, local} = resolve(name, path, at, prefixes)
        {{uri || "", local}, rest, next}

      nil ->
        wrong!(path, at, "expected the name of an attribute here")
    end
  end

  defp behind(name, rest, at) do
    size = byte_size(name)
    {binary_part(rest, size, byte_size(rest) - size), at + String.length(name)}
  end

  defp any(prefix, "*" <> rest, at), do: {prefix <> "*", rest, at + 1}

  # Without namespaces a name is compared as it is written in the document, with colons.
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
    "the prefix #{inspect(prefix)} has no URI. Pass prefixes: " <>
      ~s(%{#{inspect(prefix)} => "its URI"}, or write the path as steps: {"its URI", #{inspect(local)}})
  end

  @not_elements "a path has names, conditions on attributes such as [@a='x'], and one attribute at its end. " <>
                  "Filter by text and by position in what is selected"

  defp hint(char) when char in ~c"[]@()='\".", do: @not_elements
  defp hint(_char), do: "a path has names and * between slashes"

  defp hint_at(<<char, _::binary>>) when char in ~c"[]@()='\".", do: ": " <> @not_elements
  defp hint_at(_rest), do: ""

  # [{uri, "a"}, "b", "*", "//", "c"]
  defp listed([], _path, false), do: []
  defp listed([], path, true), do: wrong_list!(path, ~s(a step must follow the last "//"))
  defp listed(["//" | rest], path, _depth?), do: listed(rest, path, true)

  defp listed(["*" | rest], path, depth?),
    do: [{depth?, nil, nil, []} | listed(rest, path, false)]

  defp listed([{uri, "*"} | rest], path, depth?) when is_binary(uri) or is_nil(uri),
    do: [{depth?, uri!(uri, path), nil, []} | listed(rest, path, false)]

  defp listed([{uri, local} | rest], path, depth?)
       when (is_binary(uri) or is_nil(uri)) and is_binary(local),
       do: [{depth?, uri!(uri, path), local!(local, path), []} | listed(rest, path, false)]

  defp listed([local | rest], path, depth?) when is_binary(local) do
    String.contains?(local, "/") &&
      wrong_list!(path, "#{inspect(local)} is more than one step")

    [{depth?, nil, local!(local, path), []} | listed(rest, path, false)]
  end

  defp listed([step | _], path, _depth?), do: wrong_list!(path, "#{inspect(step)} is not a step")
  defp listed(_end, path, _depth?), do: wrong_list!(path, "the list has no proper end")

  defp uri!(nil, _path), do: ""

  defp uri!(uri, path),
    do: if(String.valid?(uri), do: uri, else: wrong_list!(path, "#{inspect(uri)} is not UTF-8"))

  # A step can only match if its name is valid in a document.
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
