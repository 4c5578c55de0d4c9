defmodule Bounded.Test.Upgrades do
  @moduledoc false
  # What operators do to code that runs, in a VM of their own.

  alias Bounded.Native

  @mib 1024 * 1024
  @nothing {0, 0, 0, 0}
  # Of the version that a hot upgrade would bring.
  @next "999.0.0"

  @doc """
  What a boot of a VM runs that restarts itself: all kinds of quota, and two that are at work when it restarts. Writes a line to `file`,
  and ends the VM after `times` lines.
  """
  def boot(file, times) do
    Logger.configure(level: :none)
    works = Bounded.Test.Churn.works?()
    wait(fn -> charged() == @nothing end)
    before = charged()
    {:ok, parser} = BoundedXml.Parser.new()
    {:ok, _} = BoundedXml.Parser.feed(parser, "<a><b>")
    for kind <- [:run, :limit], do: spawn(fn -> hold(kind) end)
    wait(fn -> length(Quota.list()) == 2 end)
    line = inspect({works, before, length(Quota.list()), :os.getpid()})
    File.write!(file, line <> "\n", [:append])
    lines = file |> File.read!() |> String.split("\n", trim: true)
    if length(lines) < times, do: :init.restart(), else: System.halt(0)
  end

  # Native memory, all memory, what outlived its quota, and processes.
  defp charged do
    {{_, _, native, total, _}, orphaned, attached} = Native.node_usage()
    {native, total, orphaned, attached}
  end

  defp hold(:run), do: Quota.run(8 * @mib, fn -> held() end)

  defp hold(:limit) do
    Quota.put_limit(8 * @mib)
    held()
  end

  defp held do
    kept = BoundedBinary.copy(:binary.copy("x", 600_000))
    Process.sleep(:infinity)
    byte_size(kept)
  end

  @doc """
  Loads all modules but that of the NIFs while runs wait, so that these go on in the old version, and lets them end. Returns what they
  return.
  """
  def load_meanwhile(count) do
    callers = for n <- 1..count, do: caller(n)
    wait(fn -> length(Quota.list()) == count end)
    load()
    for %{pid: worker} <- Quota.list(), do: send(worker, :go)
    for {_, ref} <- callers, do: receive(do: ({:DOWN, ^ref, _, _, reason} -> reason))
  end

  @doc "As `load_meanwhile/1`, but loads twice: the purge of the old version kills who is still in it. Returns what is left then."
  def purge_meanwhile(count) do
    callers = for n <- 1..count, do: caller(n)
    wait(fn -> length(Quota.list()) == count end)
    load()
    load()
    reasons = for {_, ref} <- callers, do: receive(do: ({:DOWN, ^ref, _, _, reason} -> reason))
    wait(fn -> Quota.list() == [] and charged() == @nothing end)
    {Enum.uniq(reasons), charged()}
  end

  defp caller(n) do
    spawn_monitor(fn -> exit({:answer, Quota.run(8 * @mib, fn -> wait_to_go(n) end)}) end)
  end

  defp wait_to_go(n) do
    receive(do: (:go -> n))
  end

  defp load do
    {:ok, modules} = :application.get_key(:bounded, :modules)

    # This one is of the tests, and runs.
    for module <- modules -- [Native, __MODULE__] do
      :code.purge(module)
      {:module, ^module} = :code.load_file(module)
    end
  end

  @doc """
  Installs a release's next version by its `.appup`, which loads the module of the NIFs. Returns what comes of it, and the version
  that is loaded.
  """
  def upgrade(directory) do
    Logger.configure(level: :none)
    {:ok, _} = Application.ensure_all_started(:sasl)
    true = Bounded.Test.Churn.works?()
    here = Path.dirname(to_string(:code.which(Native)))
    ebin = Path.join([directory, "bounded-#{@next}", "ebin"])
    File.mkdir_p!(ebin)

    for beam <- Path.wildcard(here <> "/*.beam"),
        do: File.cp!(beam, Path.join(ebin, Path.basename(beam)))

    {:ok, [{:application, :bounded, keys}]} = :file.consult(Path.join(here, "bounded.app"))
    {:ok, now} = :application.get_key(:bounded, :vsn)
    next = Keyword.put(keys, :vsn, to_charlist(@next))
    write(ebin, "bounded.app", {:application, :bounded, next})
    # As a release has it: the library is beside the modules.
    File.cp_r!(Path.expand("../priv", here), Path.expand("../priv", ebin))
    change = [{now, [{:load_module, Native}]}]
    write(ebin, "bounded.appup", {to_charlist(@next), change, change})
    outcome = install(to_charlist(Path.dirname(ebin)))
    {outcome, Bounded.Test.Churn.works?()}
  end

  # Of an application that no other test needs.
  defp install(directory), do: apply(:release_handler, :upgrade_app, [:bounded, directory])

  defp write(directory, name, term),
    do: File.write!(Path.join(directory, name), :io_lib.format(~c"~tp.~n", [term]))

  # In ten seconds; what comes next finds out.
  defp wait(fun, tries \\ 10_000) do
    unless fun.() or tries == 0 do
      Process.sleep(1)
      wait(fun, tries - 1)
    end
  end
end
