defmodule Bench.Files do
  @moduledoc "Where documents are kept while they are measured, and where results stay."

  @results Path.expand("../../results", __DIR__)

  @doc "Calls `fun` with a directory that is gone afterwards."
  def with_directory(fun) do
    name = "bounded-bench-#{System.pid()}"
    directory = Path.join(System.tmp_dir!(), name)
    File.mkdir_p!(directory)

    try do
      fun.(directory)
    after
      File.rm_rf!(directory)
    end
  end

  @doc "The path of today's results, without an extension."
  def result(name), do: Path.join(@results, "#{Date.utc_today()}-#{name}")
end
