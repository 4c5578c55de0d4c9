defmodule Quota.Account.Reservation do
  @moduledoc false
  # Retries a NIF whose charge was refused, and raises if it is refused again.

  # `UNLIMITED` of the core.
  @unlimited 0xFFFF_FFFF_FFFF_FFFF

  @doc """
  Calls `nif`, a function of no arguments that may return `{:error, {:refused, {requested, limit, used}}}`.

  A charge may be refused only because dead resources are not refunded yet. So after a refusal the process collects garbage,
  yields to let their destructors run, reports its usage, and calls `nif` once more. Collecting alone or yielding alone is not
  enough. After a second refusal it raises `Quota.ExceededError`. `at_least` marks the requested bytes as a lower bound.
  """
  def charged(nif, at_least \\ false) do
    case nif.() do
      {:error, {:refused, _}} ->
        :erlang.garbage_collect()
        :erlang.yield()
        Quota.Watch.ProcessStats.observe_own()
        retry(nif, at_least)

      other ->
        other
    end
  end

  defp retry(nif, at_least) do
    case nif.() do
      {:error, {:refused, {requested, limit, _used}}} ->
        error = %{error(requested, limit) | at_least: at_least}
        Quota.Telemetry.breach(error, self(), nil, true)
        raise error

      other ->
        other
    end
  end

  # The system refused the memory, not an account.
  defp error(requested, @unlimited), do: Quota.ExceededError.system(requested)
  defp error(requested, limit), do: Quota.ExceededError.own(requested, limit)
end
