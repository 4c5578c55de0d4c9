defmodule Bounded.Test.Expat do
  @moduledoc false
  # Python's expat, the second opinion on documents.

  @script Path.expand("expat.py", __DIR__)

  @doc "Why expat cannot be asked, or nil."
  def missing do
    cond do
      System.find_executable("python3") == nil -> "python3 is not there"
      describe([]) == {:ok, []} -> nil
      true -> "python3 has no expat"
    end
  end

  @doc "`{:ok, lines}`: what `expat.py` prints of each file; or `{:error, output}`."
  def describe(paths) do
    list = Path.join(System.tmp_dir!(), "expat-#{System.pid()}-#{System.unique_integer()}")
    File.write!(list, Enum.map(paths, &[Path.expand(&1), ?\n]))

    # A command of `System.cmd/3` has no standard input that ends.
    command = ["-c", ~s(exec python3 "$0" <"$1"), @script, list]

    try do
      case System.cmd("sh", command, stderr_to_stdout: true) do
        {output, 0} -> {:ok, String.split(output, "\n", trim: true)}
        {output, _} -> {:error, output}
      end
    after
      File.rm(list)
    end
  end
end
