defmodule Bounded.Test.Xml do
  @moduledoc false
  # Helpers of the XML tests, and where the corpus of real documents lies.

  @doc "Everything an enumerable gives before it ends or raises, and what it raised or nil."
  def collect(enumerable) do
    key = make_ref()

    raised =
      try do
        Enum.each(enumerable, &Process.put(key, [&1 | Process.get(key, [])]))
        nil
      rescue
        error -> error
      end

    {key |> Process.delete() |> List.wrap() |> Enum.reverse(), raised}
  end

  @doc "The events and the error of a source."
  def events(source, opts \\ []), do: source |> BoundedXml.stream(opts) |> collect()

  @doc "Cuts a binary into pieces of `size` bytes."
  def cut(binary, size) do
    for offset <- 0..max(byte_size(binary) - 1, 0)//size do
      binary_part(binary, offset, min(size, byte_size(binary) - offset))
    end
  end

  @doc """
  Some encodings, each as `{name, character, encode}`: a character that it has, and a function that encodes texts of ASCII and that
  character.
  """
  def encodings do
    by_byte =
      for {name, character, bytes} <- [
            {"UTF-8", "é", "é"},
            {"windows-1251", "Ж", <<0xC6>>},
            {"ISO-8859-1", "é", <<0xE9>>},
            {"KOI8-R", "Ж", <<0xF6>>},
            {"Shift_JIS", "あ", <<0x82, 0xA0>>},
            {"EUC-JP", "あ", <<0xA4, 0xA2>>},
            {"EUC-KR", "가", <<0xB0, 0xA1>>},
            {"GB18030", "中", <<0xD6, 0xD0>>},
            {"Big5", "中", <<0xA4, 0xA4>>}
          ],
          do: {name, character, &String.replace(&1, character, bytes)}

    [{"UTF-16", "😀", &utf16(&1, :big)}, {"UTF-16", "あ", &utf16(&1, :little)} | by_byte]
  end

  # With a byte order mark where a document begins.
  defp utf16(text, order) do
    mark = if text =~ ~r/^<(\?|r)/, do: "\uFEFF"
    :unicode.characters_to_binary("#{mark}#{text}", :utf8, {:utf16, order})
  end

  @doc "Where the corpus is: `BOUNDED_CORPUS`, or beside the project."
  def corpus do
    System.get_env("BOUNDED_CORPUS") || Path.expand("../shared/corpus", File.cwd!())
  end
end
