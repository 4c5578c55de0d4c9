defmodule Quota.Watchdog.Decision.Handle do
  @moduledoc false
  # Calls the `handle:` function in a process of its own, with a limit on its time and its heap. If the call fails, the culprit ends.
  # The watchdog's process waits for the answer.

  alias Bounded.Format
  alias Quota.Watchdog.BlackBox

  @ms 50
  # The heap of the function's process, in words: 16 MiB.
  @most_words 2 * 1024 * 1024
  # Characters of an exception that are logged.
  @longest 500

  @doc """
  Returns which of `candidates` ends: the first, unless the function chooses another one within `ms` milliseconds. `:refuse` if the
  function says that none shall end. All candidates may end: `Culprit.choose/2` has returned them.
  """
  def choose(candidates, state, figures, ms \\ @ms)
  def choose([first | _], %{options: %{handle: nil}}, _figures, _ms), do: first

  def choose([first | others] = candidates, %{options: %{handle: handle}, box: box}, figures, ms) do
    choice = %{figures: figures, culprit: public(first), others: Enum.map(others, &public/1)}

    case ask(handle, choice, ms) do
      :end ->
        first

      :refuse ->
        :refuse

      {:end, pid} ->
        Enum.find(candidates, &(&1[:pid] == pid)) ||
          unanswered(box, "chose #{inspect(pid)}, which is no candidate", first)

      {:failed, why} ->
        unanswered(box, why, first)
    end
  end

  defp public(candidate), do: Map.drop(candidate, [:identity, :identities])

  defp unanswered(box, why, first) do
    BlackBox.unanswered(box, why)
    first
  end

  # Any other answer is described and not sent, since it may be large.
  defp ask(handle, choice, ms) do
    {pid, ref} =
      :erlang.spawn_opt(fn -> exit({:handled, answer(handle, choice)}) end, [
        :monitor,
        priority: :high,
        max_heap_size: %{size: @most_words, kill: true, error_logger: false}
      ])

    receive do
      {:DOWN, ^ref, _, _, {:handled, answer}} -> answer
      {:DOWN, ^ref, _, _, _killed} -> {:failed, "needed more than #{most()}"}
    after
      ms ->
        Process.demonitor(ref, [:flush])
        Process.exit(pid, :kill)
        {:failed, "had no answer within #{ms} ms"}
    end
  rescue
    SystemLimitError -> {:failed, "could not run: the process table is full"}
  end

  defp most, do: @most_words |> Bounded.Vm.bytes() |> Format.bytes()

  defp answer(handle, choice) do
    case handle.(choice) do
      answer when answer in [:end, :refuse] -> answer
      {:end, pid} = answer when is_pid(pid) -> answer
      other -> {:failed, "returned #{inspect(other, limit: 5, printable_limit: 80)}"}
    end
  catch
    kind, reason -> {:failed, "raised " <> banner(kind, reason)}
  end

  defp banner(kind, reason),
    do: kind |> Exception.format_banner(reason) |> String.slice(0, @longest)
end
