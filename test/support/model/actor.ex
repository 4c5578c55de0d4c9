defmodule Bounded.Test.Model.Actor do
  @moduledoc false
  # Processes that do what the commands of the state machine ask for. An actor is a process, and the work of the runs that it has
  # entered, one in the other: the innermost process is the one that answers.

  alias BoundedXml.Parser

  @patience 20_000

  @doc "Starts an actor: `[pid]`, the stack of its processes, innermost first."
  def start do
    test = self()
    [spawn(fn -> loop(test, %{}) end)]
  end

  @doc "Has the innermost process of the stack do `request`: what it answers."
  def ask([top | _], request) do
    monitor = Process.monitor(top)
    send(top, request)

    receive do
      {:answer, answer} -> answer
      {:DOWN, ^monitor, _, _, reason} -> {:died, reason}
    after
      @patience -> raise "no answer to #{inspect(request)}"
    end
    |> tap(fn _ -> Process.demonitor(monitor, [:flush]) end)
  end

  @doc "Enters a run: the stack with its work on top."
  def enter(stack, limit, options) do
    {:entered, pid} = ask(stack, {:enter, limit, options})
    [pid | stack]
  end

  @doc "Has the run end by `request` or by a kill: the stack without it, and how it ended for its caller."
  def leave([top | [caller | _] = rest], how) do
    if how == :kill, do: Process.exit(top, :kill), else: send(top, {:leave, how})

    receive do
      {:answer, {:back, ^caller, outcome}} -> {rest, outcome}
    after
      @patience -> raise "the run did not end"
    end
  end

  @doc "Kills the actor with all that it runs."
  def kill(stack) do
    base = List.last(stack)
    monitor = Process.monitor(base)
    Process.exit(base, :kill)
    receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
  end

  # `held` are the binaries that the process references, by number.
  defp loop(test, held) do
    receive do
      {:enter, limit, options} ->
        outcome = run(test, limit, options)
        send(test, {:answer, {:back, self(), elem(outcome, 0)}})
        loop(test, Map.merge(held, elem(outcome, 1)))

      {:leave, :with_all} ->
        held

      {:leave, :with_nothing} ->
        %{}

      {:leave, :raise} ->
        raise "as asked for"

      request ->
        {answer, held} = handle(request, held)
        send(test, {:answer, answer})
        loop(test, held)
    end
  end

  defp run(test, limit, options) do
    work = fn ->
      send(test, {:answer, {:entered, self()}})
      loop(test, %{})
    end

    {:returned, Quota.run(limit, work, options)}
  rescue
    error in RuntimeError -> {{:raised, error.message}, %{}}
  catch
    :exit, {:killed, _} -> {:killed, %{}}
  end

  defp handle({:copy, number, size}, held) do
    {:ok, Map.put(held, number, BoundedBinary.copy(<<number>>, size))}
  end

  defp handle({:too_much, size}, held) do
    {byte_size(BoundedBinary.copy("x", size)), held}
  rescue
    error in Quota.ExceededError -> {{:refused, error.category}, held}
  end

  defp handle({:drop, number}, held), do: {:ok, Map.delete(held, number)}

  defp handle({:put_limit, limit, options}, held), do: {Quota.put_limit(limit, options), held}
  defp handle(:delete_limit, held), do: {Quota.delete_limit(), held}
  defp handle({:attach, pid}, held), do: {Quota.attach(pid), held}

  # In the dictionary, because results are sent and a parser goes with its process here.
  defp handle({:parser, number}, held) do
    {:ok, parser} = Parser.new()
    Process.put({:parser, number}, parser)
    {parser, held}
  end

  defp handle({:feed, parser, text}, held) do
    answer =
      case Parser.feed(parser, text) do
        {:ok, _events} -> :ok
        {:error, error, []} -> error.reason
      end

    {answer, held}
  end

  defp handle({:finish, parser}, held) do
    # The document is not complete.
    {:error, error, _} = Parser.finish(parser)
    {error.kind, held}
  end

  # What the account of the process has reserved, after a collection of its garbage.
  defp handle(:reserved, held) do
    :erlang.garbage_collect()
    {_, reserved} = Bounded.Native.refuse_reservation(0, false)
    {{if(Bounded.Native.own_account(), do: reserved), Map.keys(held)}, held}
  end
end
