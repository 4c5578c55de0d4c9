defmodule Bench.Page do
  @moduledoc "One page of a run: the machine, the rivals' versions, every table and chart. It needs no other file."

  @style """
  :root { color-scheme: light dark; }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
  pre { overflow-x: auto; font-size: 13px; line-height: 1.35; }
  svg { max-width: 100%; height: auto; } th, td { text-align: left; padding-right: 2rem; }
  """

  @doc """
  The page, as iodata, of a run on `date`. `machine` is a line of text, `versions` are `[{name, version}]`, `sections`
  `[{name, text, [svg]}]`.
  """
  def html(date, machine, versions, sections) do
    [
      ~s(<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>),
      ~s(<meta name="viewport" content="width=device-width, initial-scale=1"/>),
      ["<title>BoundedXml, ", date, "</title><style>", @style, "</style></head><body>\n"],
      ["<h1>BoundedXml, measured on ", date, "</h1>\n<p>", escape(machine), "</p>\n"],
      "<table>\n<tr><th>library</th><th>version</th></tr>\n",
      for {name, version} <- versions do
        ["<tr><td>", escape(to_string(name)), "</td><td>", escape(version), "</td></tr>\n"]
      end,
      "</table>\n",
      for {name, text, charts} <- sections do
        ["<h2>", escape(name), "</h2>\n", charts, "<pre>", escape(text), "</pre>\n"]
      end,
      "</body></html>\n"
    ]
  end

  @doc """
  Versions of this library and of each rival that is there: those of OTP applications, and of crates as `lock`, a Cargo.lock, has them.
  """
  def versions(lock) do
    applications =
      [bounded: :bounded, saxy: :saxy, fast_xml: :fast_xml, erlsom: :erlsom] ++ [exml: :exml]

    rivals =
      for {name, application} <- applications ++ [xmerl_sax_parser: :xmerl],
          version = version(application),
          do: {name, version}

    rivals ++ for [_, version] <- [crate(lock, "quick-xml")], do: {:quick_xml, version}
  end

  defp version(application) do
    case :application.load(application) do
      result when result == :ok or result == {:error, {:already_loaded, application}} ->
        {:ok, version} = :application.get_key(application, :vsn)
        to_string(version)

      {:error, _} ->
        nil
    end
  end

  defp crate(lock, name) do
    Regex.run(~r/^name = "#{name}"\nversion = "(.*)"$/m, lock)
  end

  # Line by line: an escaped line end is a reference, which no one can read in the source.
  defp escape(text),
    do: text |> String.split("\n") |> Enum.map_intersperse("\n", &BoundedXml.escape/1)
end
