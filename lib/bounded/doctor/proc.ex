defmodule Bounded.Doctor.Proc do
  @moduledoc false
  # Figures in files of /proc, below `root`; nil where there is none.

  @doc "The number that is the whole of a file."
  def integer(root, path) do
    case root |> read(path) |> Integer.parse() do
      {number, _} -> number
      :error -> nil
    end
  end

  @doc "The bytes behind `key` in a file of lines like `VmRSS:  2104 kB`."
  def bytes(root, path, key) do
    case Regex.run(~r/^#{key}:\s+(\d+) kB$/m, read(root, path)) do
      [_, kib] -> String.to_integer(kib) * 1024
      nil -> nil
    end
  end

  defp read(root, path) do
    case root |> Path.join(path) |> File.read() do
      {:ok, text} -> text
      {:error, _} -> ""
    end
  end
end
