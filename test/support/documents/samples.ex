defmodule Bounded.Test.Samples do
  @moduledoc false
  # Real documents: the corpus beside the project where it is, and the project's own small ones always.

  alias Bounded.Test.Xml

  @doc "`{:ok, paths}` of the corpus, unpacked, or `{:error, why not}`."
  def corpus do
    archive = Path.join(Xml.corpus(), "samples.tar.xz")
    target = Path.join(Mix.Project.build_path(), "samples")

    cond do
      not File.exists?(archive) ->
        {:error, "#{archive} is not there (BOUNDED_CORPUS says where it is)"}

      File.dir?(target) ->
        {:ok, paths(target)}

      true ->
        unpack(archive, target)
    end
  end

  @doc "Paths of the project's own documents."
  def own, do: paths("test/fixtures/xml")

  defp unpack(archive, target) do
    partial = "#{target}.#{System.pid()}.#{System.unique_integer([:positive])}"
    File.mkdir_p!(partial)

    case System.cmd("tar", ["xJf", archive, "-C", partial], stderr_to_stdout: true) do
      {_, 0} ->
        # Test files are compiled at the same time: another may have put it there first.
        if File.rename(partial, target) != :ok, do: File.rm_rf!(partial)
        {:ok, paths(target)}

      {output, _} ->
        {:error, "cannot unpack #{archive}: #{String.trim(output)}"}
    end
  end

  defp paths(directory) do
    for name <- directory |> File.ls!() |> Enum.sort(), do: Path.join(directory, name)
  end
end
