defmodule Bench.Contender do
  @moduledoc """
  A parser that reads a document and counts its events and the bytes of its text: the same consumption
  for all.
  """

  alias Bench.Contenders

  @type counted :: {events :: non_neg_integer, text_bytes :: non_neg_integer}

  @doc "Whether the parser is on the code path."
  @callback available?() :: boolean

  @doc "The shape of generated documents it is fed: `:plain`, or `:flat` for parsers of stanzas."
  @callback wrap() :: :plain | :flat

  @doc "Parses a document that comes as binaries of 64 KiB."
  @callback count(chunks :: [binary]) :: counted

  @all [
    bounded: Contenders.Bounded,
    bounded_no_space: Contenders.BoundedNoSpace,
    saxy: Contenders.Saxy,
    fast_xml: Contenders.FastXml,
    xmerl_sax_parser: Contenders.Xmerl,
    erlsom: Contenders.Erlsom,
    exml: Contenders.Exml,
    quick_xml: Contenders.QuickXml
  ]

  def names, do: Keyword.keys(@all)
  def module(name), do: Keyword.fetch!(@all, name)
  def available(names), do: Enum.filter(names, &module(&1).available?())

  @doc """
  What a rival is compared with: our own run that gives as many events. exml drops white space between
  elements, so it is compared with us when we do.
  """
  def ours(:exml), do: :bounded_no_space
  def ours(_rival), do: :bounded
end
