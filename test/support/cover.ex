defmodule Bounded.Test.Cover do
  @moduledoc false
  # `mix test --cover` counts lines that run in the VM of the tests. With this, it counts those that run in VMs that tests start as well:
  # they load the code that `:cover` compiled, and after each call what they counted is added to the counters here. `:cover` does that itself
  # only for connected nodes. Without `--cover` nothing is loaded, called or sent.
  #
  # `:cover` keeps counters in persistent terms up to OTP 26, unless Elixir asks it for `local_only` (see mix.exs). Later releases of OTP
  # count natively: there, only what runs in this VM counts.

  @sizes "sizes"
  @variable "BOUNDED_COVER"

  @doc "Writes the compiled code to `folder`, if lines are counted, for `paths/0` and `count/1`."
  def prepare(folder) do
    counters = counters()

    if counters != [] do
      File.rm_rf!(folder)
      File.mkdir_p!(folder)

      for {module, _} <- counters do
        [{^module, code}] = :ets.lookup(:cover_binary_code_table, module)
        File.write!(Path.join(folder, "#{module}.beam"), code)
      end

      sizes = for {module, counter} <- counters, do: {module, :counters.info(counter).size}
      File.write!(Path.join(folder, @sizes), :erlang.term_to_binary(sizes))
      :persistent_term.put(__MODULE__, {to_charlist(Path.expand(folder)), sizes})
    end
  end

  # Of the modules that the summary shows.
  defp counters do
    for {{:cover, module}, counter} <- :persistent_term.get(),
        not ignored?(module),
        do: {module, counter}
  end

  defp ignored?(module) do
    Enum.any?(Mix.Project.config()[:test_coverage][:ignore_modules], fn
      %Regex{} = pattern -> inspect(module) =~ pattern
      ignored -> module == ignored
    end)
  end

  @doc "Whether lines are counted, in this VM at least. Asks nothing of `:cover`, which would start it."
  def on?, do: Process.whereis(:cover_server) != nil

  @doc "What a VM has at the end of its arguments `-pa`, so that it is searched first."
  def paths do
    case prepared() do
      nil -> []
      {folder, _} -> [folder]
    end
  end

  @doc "Has a VM that was started with `paths/0` count."
  def count(peer) do
    case prepared() do
      nil -> :ok
      {_, sizes} -> :peer.call(peer, __MODULE__, :create, [sizes])
    end
  end

  @doc "Adds what it counted since the last time. A VM that is gone, or has no process left, has counted in vain."
  def collect(peer) do
    if prepared(), do: peer |> :peer.call(__MODULE__, :take, []) |> add()
  catch
    _, _ -> :ok
  end

  defp add(taken) do
    for {module, lines} <- taken, {index, times} <- lines do
      :counters.add(:persistent_term.get({:cover, module}), index, times)
    end

    :ok
  end

  @doc "Variables with which `mix TASK` counts, a VM of its own. `merge/0` adds what it counted until its end."
  def environment do
    case prepared() do
      nil ->
        []

      {folder, _} ->
        start = "-pa #{Mix.Project.compile_path()} -pa #{folder} -s #{__MODULE__} start"
        [{"ERL_AFLAGS", start}, {@variable, "#{folder}"}]
    end
  end

  @doc "Adds what VMs with the variables of `environment/0` counted."
  def merge do
    for {folder, _} <- [prepared()], path <- Path.wildcard("#{folder}/*.counted") do
      path |> File.read!() |> :erlang.binary_to_term() |> add()
      File.rm!(path)
    end
  end

  defp prepared, do: :persistent_term.get(__MODULE__, nil)

  ## In such a VM

  @doc "What the flag of `environment/0` calls before everything else."
  def start do
    {:ok, _} = :application.ensure_all_started(:elixir)
    folder = System.fetch_env!(@variable)
    sizes = folder |> Path.join(@sizes) |> File.read!() |> :erlang.binary_to_term()
    create(sizes)
    # Now, as Mix puts the folder of the original code first.
    for {module, _} <- sizes, do: {:module, _} = :code.ensure_loaded(module)
    counted = Path.join(folder, "#{System.pid()}.counted")
    System.at_exit(fn _ -> File.write!(counted, :erlang.term_to_binary(take())) end)
  end

  def create(sizes) do
    for {module, size} <- sizes,
        do: :persistent_term.put({:cover, module}, :counters.new(size, []))

    :ok
  end

  def take do
    for {{:cover, module}, counter} <- :persistent_term.get(),
        [_ | _] = lines <- [taken(counter)],
        do: {module, lines}
  end

  defp taken(counter) do
    for index <- 1..:counters.info(counter).size,
        times = :counters.get(counter, index),
        times > 0 do
      :counters.sub(counter, index, times)
      {index, times}
    end
  end
end
